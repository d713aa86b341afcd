"""Scripted attacks by a coordinator that controls every message between the sites; each ends with nothing released.

A single released share set would let it open a vector, so each test asserts on releases, not on error text alone.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from autoglm_core.canonical import canonical_json
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.bodies import (
    Advert,
    Adverts,
    ShareKind,
    SharesFor,
    Signatures,
    Survivors,
    SurvivorSignature,
    Unmask,
)
from autoglm_core.privacy.coordinator_session import Phase
from autoglm_core.privacy.errors import IllegalEvent, SpecRefused, UnmaskIncomplete, WrongPeers
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind, signed, unsigned
from autoglm_core.privacy.roster import BadRoster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from support.secure_sum_wire import Deployment, Interfere, Wire, inputs_for

ZERO, ONE = bytes(32), bytes([1]) + bytes(31)
SMALL_ORDER = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
TWIN_OF_NINE = (9 + 2**255 - 19).to_bytes(32, "little")


def attacked(interfere: Interfere, *, sites: int = 4, victim: str = "s01", **fields: Any) -> Wire:
    """A session in which the coordinator does `interfere` to what `victim` is shown, run to its end."""
    deployment = Deployment.of(sites)
    spec = deployment.spec()

    def to_victim(site: str, message: Message) -> Message | None:
        return interfere(site, message) if site == victim else message

    wire = Wire(deployment, spec, inputs_for(spec), interfere=to_victim, **fields)
    wire.run()
    return wire


def assert_refused(wire: Wire, code: str, *, victim: str = "s01") -> None:
    """The victim ended with `code`, released nothing, and does nothing any more."""
    assert wire.site_aborts[victim] == code
    assert victim not in wire.releases
    assert (victim, MessageKind.UNMASK) not in wire.messages
    for message in wire.shown.values():
        assert wire.sites[victim].handle(at_site.Received(message)) == []


def on(kind: MessageKind, change: Callable[[Message], Message]) -> Interfere:
    """Change messages of one kind."""
    return lambda _, message: change(message) if message.kind is kind else message


def survivors_named(*sites: str) -> Interfere:
    """Show this survivor list."""
    return on(MessageKind.SURVIVORS, lambda m: unsigned(Survivors(Survivors.decode(m.body).spec, sites)))


def change_advert(of: str, key: SiteKey | None = None, **changes: Any) -> Interfere:
    """Change one advert in the list; signed by `key`, or with the old signature."""

    def change(message: Message) -> Message:
        listed = Adverts.decode(message.body)
        pairs = []
        for body, signature in listed.signed:
            advert = Advert.decode(body)
            if advert.site_id == of:
                fresh = replace(advert, **changes)
                again = signed(fresh, key=key) if key else Message(MessageKind.ADVERT, fresh.encode(), signature)
                body, signature = again.body, again.signature
            pairs.append((body, signature))
        return unsigned(Adverts(listed.spec, tuple(pairs)))

    return on(MessageKind.ADVERTS, change)


def test_the_victim_itself_listed_as_dropped() -> None:
    """The classic: its self mask and its pairwise masks would both become known."""
    assert_refused(attacked(survivors_named("s00", "s02", "s03")), "listed-dropped")


@pytest.mark.parametrize("sites", [("s00", "s01", "s01", "s02"), ("s01", "s00", "s02")], ids=["twice", "unsorted"])
def test_a_site_listed_twice(sites: tuple[str, ...]) -> None:
    assert_refused(attacked(survivors_named(*sites)), "duplicate-site")


def test_survivors_below_the_threshold() -> None:
    assert_refused(attacked(survivors_named("s00", "s01")), "too-few-sites")


def test_survivors_below_the_minimum_cohort() -> None:
    deployment = Deployment.of(6, minimum_cohort=6)
    spec = deployment.spec()
    assert spec.threshold < 6
    wire = Wire(deployment, spec, inputs_for(spec), interfere=survivors_named(*spec.cohort[:5]))
    wire.run()
    assert set(wire.site_aborts.values()) == {"too-few-sites", "listed-dropped"}
    assert not wire.releases


def test_survivors_that_never_shared() -> None:
    wire = attacked(survivors_named("s00", "s01", "s02", "s03"), drops={"s03": Phase.SHARE})
    assert_refused(wire, "unknown-site")


def test_two_views_cannot_both_collect_enough_signatures() -> None:
    deployment = Deployment.of(5)
    spec = deployment.spec()
    left, right = ("s00", "s01", "s02", "s03"), ("s01", "s02", "s03", "s04")

    def split(site: str, message: Message) -> Message:
        view = left if site in ("s00", "s01") else right
        return survivors_named(*view)(site, message) or message

    wire = Wire(deployment, spec, inputs_for(spec), interfere=split)
    wire.begin()
    with pytest.raises(Exception, match="not the one that this site signed"):
        wire.settle()
    by_view = {view: [] for view in (left, right)}  # type: dict[tuple[str, ...], list[tuple[str, bytes]]]
    for (site, kind), message in sorted(wire.messages.items()):
        if kind is MessageKind.SURVIVOR_SIGNATURE:
            by_view[left if site in ("s00", "s01") else right].append((site, message.signature))
    for view, pairs in by_view.items():
        for site, _ in pairs:
            body = Signatures(spec.digest, Survivors(spec.digest, view).list_hash, tuple(pairs))
            [ended] = wire.sites[site].handle(at_site.Received(unsigned(body)))
            assert isinstance(ended, at_site.Aborted)
            assert ended.code == "too-few-signatures"
    assert not wire.releases


def test_signatures_of_the_other_view_do_not_count() -> None:
    """Real signatures by real sites, over another list."""
    deployment = Deployment.of(4)
    spec = deployment.spec()
    other = Survivors(spec.digest, ("s01", "s02", "s03")).list_hash

    def mix(message: Message) -> Message:
        body = Signatures.decode(message.body)
        site = body.signatures[0][0]
        statement = signed(SurvivorSignature(spec.digest, site, other), key=deployment.keys[site])
        return unsigned(replace(body, signatures=((site, statement.signature), *body.signatures[1:])))

    assert_refused(attacked(on(MessageKind.SIGNATURES, mix)), "bad-signature")


def test_forged_signatures() -> None:
    def forge(message: Message) -> Message:
        body = Signatures.decode(message.body)
        coordinator = SiteKey.generate()
        pairs = []
        for site, _ in body.signatures:
            statement = SurvivorSignature(body.spec, site, body.survivors)
            pairs.append((site, signed(statement, key=coordinator).signature))
        return unsigned(replace(body, signatures=tuple(pairs)))

    assert_refused(attacked(on(MessageKind.SIGNATURES, forge)), "bad-signature")


def test_one_signature_too_few() -> None:
    def drop_two(message: Message) -> Message:
        body = Signatures.decode(message.body)
        return unsigned(replace(body, signatures=body.signatures[:2]))

    assert_refused(attacked(on(MessageKind.SIGNATURES, drop_two)), "too-few-signatures")


def test_one_signature_counted_twice() -> None:
    def repeat(message: Message) -> Message:
        body = Signatures.decode(message.body)
        first = body.signatures[0]
        return unsigned(replace(body, signatures=(first, first, first)))

    assert_refused(attacked(on(MessageKind.SIGNATURES, repeat)), "duplicate-site")


def test_a_swapped_session_key_under_the_old_signature() -> None:
    assert_refused(attacked(change_advert("s02", share_key=bytes([9]) + bytes(31))), "bad-signature")


def test_a_swapped_session_key_signed_by_another_key() -> None:
    """The coordinator can mint TLS identities, but not a key that stands in the roster."""
    stranger = SiteKey.generate()
    assert_refused(attacked(change_advert("s02", stranger, mask_key=bytes([9]) + bytes(31))), "bad-signature")


def test_an_identity_outside_the_cohort() -> None:
    stranger = SiteKey.generate()
    assert_refused(attacked(change_advert("s02", stranger, site_id="zz")), "unknown-site")


def test_the_victims_own_advert_left_out() -> None:
    def leave_out(message: Message) -> Message:
        listed = Adverts.decode(message.body)
        return unsigned(Adverts(listed.spec, tuple(p for p in listed.signed if Advert.decode(p[0]).site_id != "s01")))

    assert_refused(attacked(on(MessageKind.ADVERTS, leave_out)), "advert-changed")


@pytest.mark.parametrize("key", [ZERO, ONE, SMALL_ORDER, TWIN_OF_NINE], ids=["zero", "one", "order 8", "second form"])
@pytest.mark.parametrize("field", ["share_key", "mask_key"])
def test_a_colluding_site_advertises_a_key_that_everybody_knows(field: str, key: bytes) -> None:
    colluder = Deployment.of(4).keys["s02"]
    assert_refused(attacked(change_advert("s02", colluder, **{field: key})), "bad-key")


@pytest.mark.parametrize("field", ["share_key", "mask_key"])
def test_a_colluding_site_reflects_the_victims_key(field: str) -> None:
    colluder = Deployment.of(4).keys["s02"]

    def reflect(site: str, message: Message) -> Message | None:
        if message.kind is not MessageKind.ADVERTS:
            return message
        own = next(a for a in map(Advert.decode, dict(Adverts.decode(message.body).signed)) if a.site_id == "s01")
        return change_advert("s02", colluder, **{field: getattr(own, field)})(site, message)

    assert_refused(attacked(reflect), "bad-key")


def test_shares_of_two_peers_swapped() -> None:
    def swap(message: Message) -> Message:
        bundle = SharesFor.decode(message.body)
        (a, first), (b, second), *others = bundle.sealed
        return unsigned(replace(bundle, sealed=((a, second), (b, first), *others)))

    assert_refused(attacked(on(MessageKind.SHARES_FOR, swap)), "bad-share")


def test_another_sites_mail() -> None:
    rename = on(MessageKind.SHARES_FOR, lambda m: unsigned(replace(SharesFor.decode(m.body), site_id="s02")))
    assert_refused(attacked(rename), "wrong-sender")


def test_two_views_of_the_adverts() -> None:
    """Each view is honestly signed; the sites' mail does not open across views."""
    deployment = Deployment.of(5)
    spec = deployment.spec()

    def without_last(message: Message) -> Message:
        listed = Adverts.decode(message.body)
        return unsigned(Adverts(listed.spec, listed.signed[:4]))

    def split(site: str, message: Message) -> Message:
        shown = on(MessageKind.ADVERTS, without_last)(site, message) if site == "s01" else message
        return shown or message

    wire = Wire(deployment, spec, inputs_for(spec), interfere=split)
    wire.begin()
    with pytest.raises(WrongPeers):
        wire.settle()  # the coordinator's own machine refuses what s01 then shares
    sealed = tuple((peer, bytes(146)) for peer in ("s00", "s02", "s03"))
    [ended] = wire.sites["s01"].handle(at_site.Received(unsigned(SharesFor(spec.digest, "s01", sealed))))
    assert isinstance(ended, at_site.Aborted)
    assert not wire.releases


DIFFERENT = {
    "learning rate 0 for one site": {"configuration": b'{"learning_rate":0}'},
    "another model": {"models": ("99" * 32,)},
    "another study": {"study_hash": "99" * 32},
    "a replayed round": {"round": 3},
    "another session": {"session_id": bytes(32)},
    "raised weight cap": {"weight_cap": 10**6},
    "other clip": {"clip": 1e-9},
    "widened layout": {"parameters": 6, "dimension": 6},
    "other counters": {"counters": canonical_json(CounterLayout((CounterField("weight"),)).to_json())},
    "another manifest": {"manifest_hash": "99" * 32},
    "another workload version": {"workload_version": 2},
}


@pytest.mark.parametrize("changes", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_one_site_is_told_something_else(changes: dict[str, Any]) -> None:
    """Every field is in every signature, so nobody who was told otherwise can even be introduced to the others."""
    deployment = Deployment.of(4)
    spec = deployment.spec()
    told = replace(spec, **changes)
    honest = Wire(deployment, spec, inputs_for(spec))
    honest.begin()
    honest.settle()
    site = SiteSession(told, deployment.roster, "s01", deployment.keys["s01"], entropy=bytes)
    [sent] = site.handle(at_site.Start())
    assert isinstance(sent, at_site.Send)
    [ended] = site.handle(at_site.Received(honest.shown["s01", MessageKind.ADVERTS]))
    assert isinstance(ended, at_site.Aborted)
    assert ended.code == "wrong-session"


REFUSED_SPECS: dict[str, tuple[dict[str, Any], str]] = {
    "lowered threshold": ({"threshold": 2}, "threshold"),
    "lowered minimum cohort": ({"minimum_cohort": 2}, "minimum_cohort"),
    "fewer colluders assumed": ({"colluders": 0}, "colluders"),
    "another roster": ({"roster_hash": "00" * 32}, "roster_hash"),
    "restored old store": ({"store_epoch": 6}, "store_epoch"),
    "downgrade to no masks": ({"masked": False}, "masked"),
    "two sites": ({"cohort": ("s00", "s01"), "threshold": 2}, "minimum_cohort"),
    "a site twice": ({"cohort": ("s00", "s01", "s01", "s02")}, "cohort"),
    "a stranger": ({"cohort": ("s00", "s01", "s02", "zz")}, "cohort"),
    "levels that overflow": ({"levels": 2**31}, "levels"),
    "noise nobody adds": ({"noise": 1.0}, "noise"),
    "unknown suite": ({"suite": "plain"}, "suite"),
    "no clip": ({"clip": 0.0}, "clip"),
    "broken counters": ({"counters": b'[{"name":"x","shape":[-1],"scale":1}]'}, "counters"),
}


@pytest.mark.parametrize(("changes", "field"), REFUSED_SPECS.values(), ids=REFUSED_SPECS.keys())
def test_a_spec_that_lowers_the_protection(changes: dict[str, Any], field: str) -> None:
    deployment = Deployment.of(4)
    drawn: list[int] = []

    def entropy(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    with pytest.raises(SpecRefused) as refused:
        spec, key = deployment.spec(**changes), deployment.keys["s01"]
        SiteSession(spec, deployment.roster, "s01", key, entropy=entropy, lowest_epoch=7)
    assert refused.value.data["field"] == field
    assert not drawn


def test_a_roster_that_holds_another_key_for_this_site() -> None:
    deployment = Deployment.of(4)
    with pytest.raises(BadRoster):
        SiteSession(deployment.spec(), deployment.roster, "s01", SiteKey.generate(), entropy=bytes)


def test_messages_replayed_from_an_earlier_session() -> None:
    deployment = Deployment.of(4)
    spec = deployment.spec()
    old = Wire(deployment, spec, inputs_for(spec))
    old.run()
    fresh = replace(spec, session_id=bytes(32), attempt=2)
    inputs = inputs_for(fresh)
    replay = Wire(deployment, fresh, inputs, interfere=lambda s, m: old.shown[s, m.kind] if s == "s01" else m)
    replay.run()
    assert_refused(replay, "wrong-session")


def finished_up_to(state: str) -> Wire:
    """A session whose s01 stands in `state`."""
    withheld = {
        "Masked": {MessageKind.SURVIVORS, MessageKind.ACKNOWLEDGED},
        "Signed": {MessageKind.SIGNATURES, MessageKind.ACKNOWLEDGED},
        "Released": {MessageKind.ACKNOWLEDGED},
    }[state]
    wire = attacked(lambda _, message: None if message.kind in withheld else message)
    assert wire.sites["s01"].state == state
    return wire


@pytest.mark.parametrize("state", ["Signed", "Released"])
def test_a_second_survivor_list(state: str) -> None:
    wire = finished_up_to(state)
    site = wire.sites["s01"]
    other = Message(MessageKind.SURVIVORS, Survivors(wire.spec.digest, ("s00", "s01", "s02")).encode())
    [ended] = site.handle(at_site.Received(other))
    assert isinstance(ended, at_site.Aborted)
    assert ended.code == "survivors-changed"
    assert site.handle(at_site.Received(wire.shown["s02", MessageKind.SIGNATURES])) == []


def test_asking_again_after_the_release_gives_the_same_bytes_and_no_second_release() -> None:
    wire = finished_up_to("Released")
    site, released = wire.sites["s01"], wire.messages["s01", MessageKind.UNMASK]
    assert site.handle(at_site.Received(wire.shown["s01", MessageKind.SIGNATURES])) == [at_site.Send(released)]
    statement = wire.messages["s01", MessageKind.SURVIVOR_SIGNATURE]
    assert site.handle(at_site.Received(wire.shown["s01", MessageKind.SURVIVORS])) == [at_site.Send(statement)]


def retry(spec: SessionSpec, wire: Wire, *, seed: int, drops: dict[str, Phase]) -> Wire:
    """A new session over the same model after `wire` released."""
    earlier = {site: (release,) for site, release in wire.releases.items()}
    again = Wire(
        wire.deployment,
        replace(spec, session_id=bytes(32), attempt=2),
        inputs_for(spec, seed=seed),
        earlier=earlier,
        drops=drops,
        seed=9,
    )
    again.run()
    return again


def test_differencing_by_a_retry_over_other_survivors() -> None:
    deployment = Deployment.of(5)
    spec = deployment.spec()
    first = Wire(deployment, spec, inputs_for(spec))
    first.run()
    assert first.releases["s01"].survivors == spec.cohort
    again = retry(spec, first, seed=0, drops={"s04": Phase.MASK})
    assert set(again.site_aborts.values()) == {"unmask-incomplete"}
    assert not again.releases


def test_differencing_by_a_retry_with_another_input() -> None:
    deployment = Deployment.of(4)
    spec = deployment.spec()
    first = Wire(deployment, spec, inputs_for(spec))
    first.run()
    again = retry(spec, first, seed=1, drops={})
    assert set(again.site_aborts.values()) == {"unmask-incomplete"}
    assert not again.vectors


def test_a_retry_over_the_same_survivors_with_the_same_input_passes() -> None:
    deployment = Deployment.of(4)
    spec = deployment.spec()
    first = Wire(deployment, spec, inputs_for(spec))
    first.run()
    again = retry(spec, first, seed=0, drops={})
    assert not again.site_aborts
    assert again.vectors["s01"].to_bytes() != first.vectors["s01"].to_bytes()


def test_a_retry_without_a_site_that_was_summed_is_refused_at_the_offer() -> None:
    deployment = Deployment.of(4)
    release = at_site.RecordRelease(("s01", "s02", "zz"), ("ef" * 32,), deployment.spec().purpose, "00" * 32)
    with pytest.raises(UnmaskIncomplete):
        SiteSession(
            deployment.spec(), deployment.roster, "s01", deployment.keys["s01"], entropy=bytes, earlier=(release,)
        )


def test_skipping_the_consistency_round() -> None:
    """Signatures straight after the vectors: the site signed no list yet."""
    wire = finished_up_to("Masked")
    site = wire.sites["s01"]
    with pytest.raises(IllegalEvent):
        site.handle(at_site.Received(wire.shown["s02", MessageKind.SIGNATURES]))
    assert site.state == "Masked"
    assert "s01" not in wire.releases


def test_each_peer_gets_one_kind_of_share() -> None:
    wire = attacked(lambda _, message: message, sites=5, drops={"s04": Phase.MASK})
    body = Unmask.decode(wire.messages["s01", MessageKind.UNMASK].body)
    kinds = {dealer: kind for dealer, kind, _ in body.shares}
    assert kinds == {**dict.fromkeys(("s00", "s01", "s02", "s03"), ShareKind.SEED), "s04": ShareKind.MASK_KEY}
