"""The coordinator shows honest sites different things and adds up what each of them says.

No single site can notice that, so several honest sites stand here, as state machines with real cryptography.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from autoglm_core.canonical import canonical_json
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.bodies import Adverts, Shares, SharesFor, Signatures, Survivors
from autoglm_core.privacy.errors import SpecRefused, SurvivorsChanged, WrongPeers
from autoglm_core.privacy.messages import Message, MessageKind, unsigned
from autoglm_core.privacy.session_spec import Purpose, SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from support.interference import adverts, survivors_named
from support.secure_sum_wire import Deployment, Wire, completed, inputs_for

ADVERTS, SURVIVORS = MessageKind.ADVERTS, MessageKind.SURVIVORS


def session(sites: int, **fields: Any) -> Wire:
    """A session over `sites` honest sites."""
    deployment = Deployment.of(sites)
    spec = deployment.spec()
    return Wire(deployment, spec, inputs_for(spec), **fields)


def ended(wire: Wire, site: str, message: Message) -> str:
    """The code with which a site gives up when it is shown `message`."""
    [instruction] = wire.sites[site].handle(at_site.Received(message))
    assert isinstance(instruction, at_site.Aborted)
    return instruction.code


def said(wire: Wire, site: str, kind: MessageKind) -> Message:
    """What a site answers to the message of that kind which is still on its way to it."""
    [instruction] = wire.sites[site].handle(at_site.Received(wire.shown[site, kind]))
    assert isinstance(instruction, at_site.Send)
    return instruction.message


def test_control_one_view_opens_the_sum() -> None:
    wire = session(5)
    assert len(completed(wire.run()).survivors) == 5
    assert set(wire.releases) == set(wire.spec.cohort)


@pytest.mark.parametrize("sites", [5, 7])
def test_two_survivor_lists_cannot_both_collect_enough_signatures(sites: int) -> None:
    """Each list is good by itself; a site on one of them alone would lose both kinds of its shares."""
    cohort = session(sites).spec.cohort
    left, right = cohort[:-1], cohort[1:]

    def split(site: str, message: Message) -> Message | None:
        return survivors_named(*(left if site in cohort[: sites // 2] else right))(site, message)

    wire = session(sites, interfere=split)
    wire.begin()
    with pytest.raises(SurvivorsChanged):  # the coordinator's own machine does not go along with its cheating
        wire.settle()
    signed: dict[tuple[str, ...], list[tuple[str, bytes]]] = {left: [], right: []}
    for site in cohort:
        statement = wire.messages.get((site, MessageKind.SURVIVOR_SIGNATURE)) or said(wire, site, SURVIVORS)
        signed[left if site in cohort[: sites // 2] else right].append((site, statement.signature))
    for view, pairs in signed.items():
        assert 0 < len(pairs) < wire.spec.threshold
        body = Signatures(wire.spec.digest, Survivors(wire.spec.digest, view).list_hash, tuple(pairs))
        assert {ended(wire, site, unsigned(body)) for site, _ in pairs} == {"too-few-signatures"}
    assert not wire.releases


def test_two_views_of_the_adverts() -> None:
    """Each view is honestly signed; the mail of one does not open in the other."""

    def split(site: str, message: Message) -> Message | None:
        if site != "s01":
            return message
        return adverts(lambda listed: Adverts(listed.spec, listed.signed[:4]))(site, message)

    wire = session(5, interfere=split)
    wire.begin()
    with pytest.raises(WrongPeers):  # the coordinator's own machine refuses what s01 then shares
        wire.settle()
    peers = ("s00", "s02", "s03")
    shares = [wire.messages.get((peer, MessageKind.SHARES)) or said(wire, peer, ADVERTS) for peer in peers]
    mail = tuple((peer, dict(Shares.decode(sent.body).sealed)["s01"]) for peer, sent in zip(peers, shares, strict=True))
    assert ended(wire, "s01", unsigned(SharesFor(wire.spec.digest, "s01", mail))) == "bad-share"
    assert not wire.releases


TOLD: Mapping[str, dict[str, Any]] = {
    "learning rate 0 for the others": {"configuration": b'{"learning_rate":0}'},
    "another model": {"models": ("99" * 32,)},
    "another study": {"study_id": "other", "study_hash": "99" * 32},
    "another cohort": {"cohort": ("s00", "s01", "s02")},
    "another round": {"round": 3},
    "another attempt": {"attempt": 2},
    "another session": {"session_id": bytes(32)},
    "another purpose": {"purpose": Purpose.VALIDATE},
    "raised weight cap": {"weight_cap": 10**6},
    "lowered weight cap": {"weight_cap": 1},
    "other clip": {"clip": 1e-9},
    "other levels": {"levels": 1},
    "widened layout": {"parameters": 6, "dimension": 6},
    "another dimension": {"dimension": 50},
    "another pattern": {"trial": "99" * 32},
    "other counters": {"counters": canonical_json(CounterLayout((CounterField("weight"),)).to_json())},
    "another manifest, with its seed and constants": {"manifest_hash": "99" * 32},
    "another workload": {"workload": "synthetic"},
    "another workload version": {"workload_version": 2},
    "a smaller ring": {"ring_bits": 16, "levels": 1},
    "a later epoch": {"store_epoch": 8},
    "a larger minimum cohort": {"minimum_cohort": 4},
}


@pytest.mark.parametrize("changes", TOLD.values(), ids=TOLD.keys())
def test_one_site_is_told_something_else(changes: dict[str, Any]) -> None:
    """Every field is in every signature, so nobody who was told otherwise can even be introduced to the others."""
    honest = session(4)
    honest.begin()
    honest.settle()
    told = replace(honest.spec, **changes)
    assert told.encode() != honest.spec.encode()
    deployment = honest.deployment
    site = SiteSession(told, deployment.roster, "s01", deployment.keys["s01"], entropy=bytes)
    [advert] = site.handle(at_site.Start())
    assert isinstance(advert, at_site.Send)
    [given_up] = site.handle(at_site.Received(honest.shown["s01", MessageKind.ADVERTS]))
    assert isinstance(given_up, at_site.Aborted)
    assert given_up.code == "wrong-session"


def test_control_every_field_of_a_round_is_tried() -> None:
    """A new field of the spec is another way to tell sites different things: it belongs into the list above."""
    told = {name for changes in TOLD.values() for name in changes}
    one_value = {"suite", "roster_hash", "threshold", "colluders", "noise"}
    assert {field.name for field in fields(SessionSpec)} - told - one_value == {"masked"}, "that sends no advert"


def test_everyone_is_told_another_roster_version() -> None:
    """The same sites under the same keys: a version that the administrators never compared."""
    deployment = Deployment.of(4)
    newer = replace(deployment.roster, version=2)
    assert newer.hash != deployment.roster.hash
    with pytest.raises(SpecRefused, match="roster_hash"):
        SiteSession(deployment.spec(), newer, "s01", deployment.keys["s01"], entropy=bytes)
