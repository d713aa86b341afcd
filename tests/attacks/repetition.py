"""The coordinator repeats itself: messages, session ids, rounds, and above all sums over other survivors.

Two sums over the same inputs that differ by one site are that site's vector. So a site releases its shares for a model
and purpose once, whatever order the coordinator asks in; only exactly the same sum may be opened again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoglm_core.codes import RefusalCode
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import Phase
from autoglm_core.privacy.errors import UnmaskIncomplete
from autoglm_core.privacy.messages import MessageKind
from support.interference import on, withhold
from support.live_victim import AgentVictim
from support.secure_sum_wire import Wire, completed
from support.victims import FOUR, VICTIM, MachineVictim, Round, Victim, meets, refuses

SIGNATURES = MessageKind.SIGNATURES
WITHOUT_D: dict[str, Any] = {"drops": {"site-d": Phase.MASK}}


def summed(victim: Victim) -> Round:
    """A round for which the victim released its shares, over all of `FOUR`."""
    round = victim.ground.round()
    assert completed(meets(victim, round=round).outcome).survivors == FOUR
    return round


def test_control_exactly_the_same_sum_may_be_opened_again(victim: Victim) -> None:
    """As a coordinator does that died before it could use the first; the vector is masked anew."""
    round = victim.ground.round()
    first = meets(victim, round=round)
    again = meets(victim, round=round.again())
    assert completed(again.outcome).survivors == FOUR
    assert again.vectors[VICTIM].to_bytes() != first.vectors[VICTIM].to_bytes()


def test_a_retry_after_the_release_over_other_survivors(victim: Victim) -> None:
    refuses(victim, "unmask-incomplete", round=summed(victim).again(), **WITHOUT_D)


def test_a_retry_after_the_release_with_another_input(victim: Victim) -> None:
    """Another seed of training: the difference of both sums would still be over few enough to guess from."""
    round = summed(victim)
    other = victim.ground.round_over(round.model, listed={"seed": "cd" * 32})
    wire = refuses(victim, "unmask-incomplete", round=other)
    assert VICTIM not in wire.vectors


def test_a_retry_that_leaves_a_summed_site_out_is_refused_before_anything_is_drawn(agent: AgentVictim) -> None:
    round = summed(agent)
    smaller = agent.ground.round_over(round.model, (*FOUR[:3], "site-e"))
    agent.turns_down(smaller, RefusalCode.ALREADY_RELEASED)
    alone = MachineVictim()
    known = summed(alone)
    with pytest.raises(UnmaskIncomplete):
        meets(alone, round=alone.ground.round_over(known.model, (*FOUR[:3], "site-e")))


def test_two_sessions_side_by_side_over_survivors_that_differ_by_one(agent: AgentVictim) -> None:
    """Both are admitted before either was released, so that neither finds an earlier release."""
    whole, less = side_by_side(agent, agent.ground.round(), **WITHOUT_D)
    assert completed(whole.outcome).survivors == FOUR
    agent.gave_up(less, "already-released")
    [kept] = agent.released(whole.spec)
    assert kept.survivors == FOUR


def test_two_sessions_side_by_side_over_two_inputs(agent: AgentVictim) -> None:
    round = agent.ground.round()
    other = agent.ground.round_over(round.model, listed={"seed": "cd" * 32})
    whole, second = side_by_side(agent, round, then=other)
    assert completed(whole.outcome).survivors == FOUR
    agent.gave_up(second, "already-released")


def side_by_side(agent: AgentVictim, round: Round, *, then: Round | None = None, **fields: Any) -> tuple[Wire, Wire]:
    """Two sessions over one model: both vectors left the victim before the first is asked to release."""
    first = agent.wire(round, withhold(SIGNATURES))
    second = agent.wire(then or round.again(), withhold(SIGNATURES), **fields)
    for wire in (first, second):
        agent.play(wire, until=MessageKind.SURVIVOR_SIGNATURE)
    for wire in (first, second):
        agent.mark(wire)
        agent.answer(wire, wire.shown["site-a", SIGNATURES])
    return first, second


def test_a_retry_over_other_survivors_after_the_agent_was_started_anew(agent: AgentVictim) -> None:
    """What it released stands in its ledger, not in its memory."""
    round = summed(agent)
    agent.restart()
    refuses(agent, "unmask-incomplete", round=round.again(), **WITHOUT_D)


def test_the_victims_power_is_cut_between_its_shares_and_its_ledger() -> None:
    """Shares that left and stand nowhere could be asked for once more: the record comes first."""
    victim = MachineVictim()
    wire = meets(victim, withhold(SIGNATURES), until=MessageKind.SURVIVOR_SIGNATURE)
    asked = at_site.Received(wire.shown["site-a", SIGNATURES])
    assert [type(step) for step in wire.sites[VICTIM].handle(asked)] == [at_site.RecordRelease, at_site.Send]


def test_a_session_id_is_used_twice(agent: AgentVictim) -> None:
    """The same masks over two vectors cancel in their difference."""
    round = summed(agent)
    agent.turns_down(round, RefusalCode.SESSION_REUSED)
    running = agent.ground.round()
    meets(agent, withhold(MessageKind.SURVIVORS), round=running, until=MessageKind.MASKED)
    agent.turns_down(running, RefusalCode.SESSION_REUSED)


def test_a_session_id_is_used_twice_across_a_restart(agent: AgentVictim) -> None:
    round = agent.ground.round()
    meets(agent, withhold(MessageKind.SURVIVORS), round=round, until=MessageKind.MASKED)
    agent.restart()
    agent.turns_down(round, RefusalCode.SESSION_REUSED)


def test_a_round_is_replayed_with_the_messages_of_an_earlier_session(victim: Victim) -> None:
    round = victim.ground.round()
    old = meets(victim, round=round)
    refuses(victim, "wrong-session", lambda _, m: old.shown[VICTIM, m.kind], round=round.again())


@pytest.mark.parametrize("kind", [MessageKind.SHARES_FOR, MessageKind.SURVIVORS, MessageKind.SIGNATURES], ids=str)
def test_one_message_of_an_earlier_session_is_replayed(victim: Victim, kind: MessageKind) -> None:
    round = victim.ground.round()
    old = meets(victim, round=round)
    interfere = on(kind, lambda _: old.shown[VICTIM, kind])
    refuses(victim, "wrong-session", interfere, round=round.again())


def test_a_round_of_another_study_is_replayed() -> None:
    """The same sites, the same model, and everything honestly signed: in another study's session."""
    victim = MachineVictim()
    round = victim.ground.round()
    other = replace(round, spec=replace(round.spec, study_id="other", study_hash="99" * 32))
    old = meets(victim, round=other)
    fresh = victim.ground.round()
    refuses(victim, "wrong-session", lambda _, m: old.shown[VICTIM, m.kind], round=fresh)
