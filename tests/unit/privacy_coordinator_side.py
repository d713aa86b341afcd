"""The honest coordinator against sites that lie, repeat themselves, answer late or vanish."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from autoglm_core.errors import AutoglmError
from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy.bodies import OpenShare, ShareKind, Shares, Unmask
from autoglm_core.privacy.coordinator_session import Phase
from autoglm_core.privacy.errors import (
    BadSignature,
    DuplicateMessage,
    IllegalEvent,
    UnknownSite,
    WrongPeers,
    WrongSender,
    WrongSession,
)
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind, signed
from autoglm_core.privacy.session_keys import commitment
from autoglm_core.privacy.site_secrets import SiteSecrets
from autoglm_core.privacy.site_states import Advertised
from autoglm_core.privacy.vectors import MaskedVector, WrongVector
from support.secure_sum_wire import Deployment, Wire, completed, inputs_for, integer_sum, result_sum


def wired(sites: int = 5, drops: Mapping[str, Phase] | None = None) -> Wire:
    """A session over `sites`, not yet begun."""
    deployment = Deployment.of(sites)
    spec = deployment.spec()
    return Wire(deployment, spec, inputs_for(spec), drops=drops or {})


def stopped_in(phase: Phase, *, sites: int = 5, drops: Mapping[str, Phase] | None = None) -> Wire:
    """A session that reached `phase`, where s00 alone has not answered."""
    wire = wired(sites, {"s00": phase, **(drops or {})})
    wire.begin()
    wire.settle()
    while wire.coordinator.phase is not phase:
        wire.feed(at_coordinator.Deadline())
        wire.settle()
    return wire


def answer_of(wire: Wire, site: str, kind: MessageKind) -> Message:
    """What `site` would honestly say in this very session."""
    honest = Wire(wire.deployment, wire.spec, wire.inputs)
    honest.run()
    return honest.messages[site, kind]


def wrong_shares(body: Unmask) -> Unmask:
    """The same message with its first share off by one."""
    dealer, kind, share = body.shares[0]
    return replace(body, shares=((dealer, kind, OpenShare(share.y ^ 1, share.salt)), *body.shares[1:]))


def test_a_wrong_share_is_blamed_and_another_subset_opens_the_sum() -> None:
    wire = stopped_in(Phase.UNMASK)
    honest = Wire(wire.deployment, wire.spec, wire.inputs)
    completed(honest.run())
    lie = wrong_shares(Unmask.decode(honest.messages["s00", MessageKind.UNMASK].body))
    wire.feed(at_coordinator.Received("s00", signed(lie, key=wire.deployment.keys["s00"])))
    assert wire.blamed == ["s00"]
    assert wire.outcome is not None
    result = completed(wire.outcome)
    assert result_sum(result) == integer_sum(list(wire.inputs.values()), wire.spec.layout)
    assert "s00" in result.survivors


def test_too_many_wrong_shares_end_in_a_typed_abort() -> None:
    wire = stopped_in(Phase.UNMASK, sites=4, drops={"s01": Phase.UNMASK})
    honest = Wire(wire.deployment, wire.spec, wire.inputs)
    completed(honest.run())
    lie = wrong_shares(Unmask.decode(honest.messages["s00", MessageKind.UNMASK].body))
    wire.feed(at_coordinator.Received("s00", signed(lie, key=wire.deployment.keys["s00"])))
    assert wire.blamed == ["s00"]
    [ended] = wire.feed(at_coordinator.Deadline())
    assert isinstance(ended, at_coordinator.Aborted)
    assert ended.code == "too-few-sites"


@pytest.mark.parametrize("survives", [True, False], ids=["survivor", "dropped"])
def test_a_dealer_that_shares_another_secret_is_named(survives: bool) -> None:
    """Every share matches its commitment, but together they are not what the advert promised."""
    wire = wired(5, {} if survives else {"s03": Phase.MASK})
    wire.begin()
    state = wire.sites["s03"]._state
    assert isinstance(state, Advertised)
    other = SiteSecrets.draw(wire.spec, wire.deployment.roster, entropy=Random(99).randbytes)  # noqa: S311 - seeded
    cheat = replace(state.secrets, seed_shares=other.seed_shares, key_shares=other.key_shares)
    advert = signed(cheat.advert(wire.spec, site_id="s03"), key=wire.deployment.keys["s03"])
    wire.sites["s03"]._state = Advertised(cheat, advert)
    wire.pending.clear()
    for site in wire.spec.cohort:
        wire.feed(at_coordinator.Received(site, advert if site == "s03" else wire.messages[site, MessageKind.ADVERT]))
    wire.settle()
    while wire.outcome is None:
        wire.feed(at_coordinator.Deadline())
        wire.settle()
    assert isinstance(wire.outcome, at_coordinator.Aborted)
    assert (wire.outcome.code, wire.outcome.data["site"]) == ("bad-dealer", "s03")


LOSSES = [at_coordinator.SiteLost("s00"), at_coordinator.Deadline()]


@pytest.mark.parametrize("lost_by", LOSSES, ids=["lost", "deadline"])
def test_a_late_vector_of_a_site_declared_dead_is_never_added(lost_by: at_coordinator.CoordinatorEvent) -> None:
    wire = stopped_in(Phase.MASK)
    wire.persists = False
    wire.feed(lost_by)
    assert wire.coordinator.phase is Phase.PERSIST
    assert wire.stored is not None
    before = wire.stored.running_sum.to_bytes()
    late = at_coordinator.MaskedArrived("s00", wire.vectors["s00"], answer_of(wire, "s00", MessageKind.MASKED))
    assert wire.coordinator.handle(late) == []
    assert wire.stored.running_sum.to_bytes() == before
    wire.feed(at_coordinator.Persisted())
    assert wire.coordinator.handle(late) == []
    wire.settle()
    assert wire.outcome is not None
    result = completed(wire.outcome)
    assert result.dropped == ("s00",)
    assert result_sum(result) == integer_sum([wire.inputs[s] for s in result.survivors], wire.spec.layout)


def test_a_lost_sites_vector_within_the_same_phase_is_dropped() -> None:
    wire = stopped_in(Phase.MASK, sites=7, drops={"s01": Phase.MASK})
    assert list(wire.coordinator.waiting) == ["s00", "s01"]
    assert wire.feed(at_coordinator.SiteLost("s00")) == []
    header = answer_of(wire, "s00", MessageKind.MASKED)
    assert wire.coordinator.handle(at_coordinator.MaskedArrived("s00", wire.vectors["s00"], header)) == []
    shares = wire.messages["s02", MessageKind.SHARES]
    assert wire.coordinator.handle(at_coordinator.Received("s02", shares)) == []
    assert list(wire.coordinator.waiting) == ["s01"]
    wire.feed(at_coordinator.SiteLost("s01"))
    wire.settle()
    assert wire.outcome is not None
    result = completed(wire.outcome)
    assert result.dropped == ("s00", "s01")
    assert result_sum(result) == integer_sum([wire.inputs[s] for s in result.survivors], wire.spec.layout)


@pytest.mark.parametrize("change", ["other kind", "one left out"])
def test_shares_of_the_wrong_kind_or_too_few_are_not_taken(change: str) -> None:
    wire = stopped_in(Phase.UNMASK)
    body = Unmask.decode(answer_of(wire, "s00", MessageKind.UNMASK).body)
    (dealer, _, share), *others = body.shares
    shares = (*others,) if change == "one left out" else ((dealer, ShareKind.MASK_KEY, share), *others)
    with pytest.raises(WrongPeers):
        wire.coordinator.handle(
            at_coordinator.Received("s00", signed(replace(body, shares=shares), key=wire.deployment.keys["s00"]))
        )
    assert wire.coordinator.waiting == ("s00",)
    assert not wire.blamed


def test_a_vector_that_is_not_the_one_in_its_header() -> None:
    wire = stopped_in(Phase.MASK)
    header = answer_of(wire, "s00", MessageKind.MASKED)
    waiting = wire.coordinator.waiting
    with pytest.raises(WrongSession):
        wire.coordinator.handle(at_coordinator.MaskedArrived("s00", MaskedVector.zeros(wire.spec.layout), header))
    small = MaskedVector(body=np.zeros(1, np.uint32), tail=np.zeros(3, np.uint64))
    with pytest.raises(WrongVector):
        wire.coordinator.handle(at_coordinator.MaskedArrived("s00", small, header))
    assert wire.coordinator.waiting == waiting
    wire.feed(at_coordinator.MaskedArrived("s00", wire.vectors["s00"], header))
    wire.drops = {}
    wire.settle()
    assert wire.outcome is not None
    assert len(completed(wire.outcome).survivors) == 5


def test_the_same_message_twice_is_ignored_and_another_one_raises() -> None:
    wire = stopped_in(Phase.SHARE)
    again = wire.messages["s01", MessageKind.SHARES]
    assert wire.coordinator.handle(at_coordinator.Received("s01", again)) == []
    other = signed(replace(Shares.decode(again.body), sealed=()), key=wire.deployment.keys["s01"])
    with pytest.raises(DuplicateMessage):
        wire.coordinator.handle(at_coordinator.Received("s01", other))
    assert wire.coordinator.waiting == ("s00",)


def test_a_vector_twice_is_added_once() -> None:
    wire = stopped_in(Phase.MASK)
    again = at_coordinator.MaskedArrived("s01", wire.vectors["s01"], wire.messages["s01", MessageKind.MASKED])
    assert wire.feed(again) == []
    wire.feed(at_coordinator.SiteLost("s00"))
    wire.settle()
    assert wire.outcome is not None
    result = completed(wire.outcome)
    assert result_sum(result) == integer_sum([wire.inputs[s] for s in result.survivors], wire.spec.layout)


def test_a_site_that_speaks_for_another() -> None:
    wire = stopped_in(Phase.SHARE)
    message = answer_of(wire, "s01", MessageKind.SHARES)
    with pytest.raises(WrongSender):
        wire.coordinator.handle(at_coordinator.Received("s00", message))
    forged = signed(Shares.decode(answer_of(wire, "s00", MessageKind.SHARES).body), key=SiteKey.generate())
    with pytest.raises(BadSignature):
        wire.coordinator.handle(at_coordinator.Received("s00", forged))
    with pytest.raises(UnknownSite):
        wire.coordinator.handle(at_coordinator.Received("zz", message))
    assert wire.coordinator.waiting == ("s00",)


@pytest.mark.parametrize("kind", [ShareKind.SEED, ShareKind.MASK_KEY])
def test_a_commitment_binds_dealer_receiver_and_kind(kind: ShareKind) -> None:
    share, spec = OpenShare(5, bytes(32)), bytes(32)
    base = commitment(share, spec=spec, dealer="a", receiver="b", kind=kind)
    other = ShareKind.MASK_KEY if kind is ShareKind.SEED else ShareKind.SEED
    assert base != commitment(share, spec=spec, dealer="b", receiver="a", kind=kind)
    assert base != commitment(share, spec=spec, dealer="a", receiver="b", kind=other)
    assert base != commitment(OpenShare(5, bytes([1] * 32)), spec=spec, dealer="a", receiver="b", kind=kind)
    assert base != commitment(share, spec=bytes([1] * 32), dealer="a", receiver="b", kind=kind)


def test_an_early_answer_is_illegal() -> None:
    wire = stopped_in(Phase.ADVERTISE)
    with pytest.raises(IllegalEvent):
        wire.coordinator.handle(at_coordinator.Received("s01", answer_of(wire, "s01", MessageKind.UNMASK)))
    with pytest.raises(IllegalEvent):
        wire.coordinator.handle(at_coordinator.Persisted())
    assert wire.coordinator.phase is Phase.ADVERTISE


def test_a_cohort_of_three_tolerates_no_dropout_and_says_so_at_once() -> None:
    wire = wired(3)
    wire.feed(at_coordinator.Opened())
    [ended] = wire.feed(at_coordinator.SiteLost("s02"))
    assert isinstance(ended, at_coordinator.Aborted)
    assert ended.data == {"phase": "ADVERTISE", "left": 2, "needed": 3}


def test_every_refusal_has_its_own_code() -> None:
    def below(kind: type[AutoglmError]) -> list[type[AutoglmError]]:
        return [kind, *(deep for sub in kind.__subclasses__() for deep in below(sub))]

    ours = [kind for kind in below(AutoglmError) if kind.__module__.startswith("autoglm_core.privacy")]
    assert len({kind.code for kind in ours}) == len(ours)
