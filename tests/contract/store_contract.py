"""What every store promises; run over every implementation. Each test is one or more lives of a coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from autoglm_coordinator.store import errors
from autoglm_coordinator.store.api import (
    STUDY_TRANSITIONS,
    AuditHead,
    BlameRecord,
    CertificateRecord,
    DecisionRecord,
    RosterRecord,
    SessionRecord,
    Store,
    StudyState,
    TokenRecord,
    TrafficRecord,
)
from autoglm_coordinator.store.sql import open_store
from autoglm_core.canonical import digest
from autoglm_core.configuration import Configuration
from autoglm_core.errors import AutoglmError
from autoglm_core.identity import Role
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_core.training_cost import NO_COST, TrainingCost
from autoglm_core.trial import IllegalTransition, StageName, StageRecord, Trial, TrialState
from support.manual_clock import START
from support.stores import Deployment, agent, deployment, first_round, next_round, study, trial

TUNE = "t" * 64
IDENTITY = "spiffe://north/agent/st-mary-1"
SESSION = b"s" * 32


@pytest.fixture(params=["sqlite", "postgresql"])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    return deployment(request.param, tmp_path)


async def refused(change: Awaitable[object], error: type[AutoglmError]) -> None:
    with pytest.raises(error):
        await change


# --- the store itself


def test_the_epoch_rises_at_every_start_and_sequences_never_repeat(life: Deployment) -> None:
    async def start(store: Store) -> tuple[int, list[int]]:
        return await store.bump_epoch(), [await store.next_sequence() for _ in range(3)]

    lives = [life.run(start) for _ in range(3)]
    assert [epoch for epoch, _ in lives] == [1, 2, 3]
    sequences = [number for _, numbers in lives for number in numbers]
    assert sequences == sorted(set(sequences)) and sequences[0] == 1


def test_sequences_asked_for_at_once_all_differ(life: Deployment) -> None:
    async def story(store: Store) -> list[int]:
        return await asyncio.gather(*(store.next_sequence() for _ in range(1500)))

    assert len(set(life.run(story))) == 1500


def test_a_second_coordinator_is_refused_and_harms_nothing(life: Deployment) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(errors.StoreInUse):
            open_store(life.state, url=life.url)
        await store.put_agent(agent())

    life.run(story)
    assert life.run(lambda store: store.list_agents()) == [agent()]


def test_after_close_everything_is_refused(life: Deployment) -> None:
    async def story(store: Store) -> None:
        await store.close()
        await refused(store.list_agents(), errors.StoreClosed)
        await refused(store.put_agent(agent()), errors.StoreClosed)

    life.run(story)


def test_changes_made_at_once_neither_mix_nor_share_a_failure(life: Deployment) -> None:
    async def story(store: Store) -> None:
        names = [f"site-{index % 40:02}" for index in range(80)]
        outcomes = await asyncio.gather(
            *(store.put_agent(replace(agent(name), agent_id=f"{name}-{i}")) for i, name in enumerate(names)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes].count(errors.NameTaken) == 40
        assert [record.name for record in await store.list_agents()] == sorted(set(names))

    life.run(story)


# --- enrolment


def test_an_agent_is_remembered_with_what_it_said_last(life: Deployment) -> None:
    facts = {"kind": "site", "data": ["heart"], "version": "0.1.0"}

    async def join(store: Store) -> None:
        await store.put_agent(agent())
        await store.describe_agent("st-mary-1", facts)

    life.run(join)

    async def later(store: Store) -> None:
        assert await store.get_agent("st-mary-1") == replace(agent(), facts=facts)
        await refused(store.get_agent("nobody"), errors.UnknownAgent)
        await refused(store.describe_agent("nobody", {}), errors.UnknownAgent)

    life.run(later)


def test_a_name_is_free_again_once_its_agent_is_revoked_and_the_revocation_stays(life: Deployment) -> None:
    async def story(store: Store) -> None:
        await store.put_agent(agent())
        await refused(store.put_agent(replace(agent(), agent_id="st-mary-2")), errors.NameTaken)
        await store.revoke_agent("st-mary-1", IDENTITY, START)
        await store.revoke_agent("st-mary-1", IDENTITY, START + timedelta(days=1))
        await store.put_agent(replace(agent(), agent_id="st-mary-2"))
        await refused(store.revoke_agent("nobody", IDENTITY, START), errors.UnknownAgent)

    life.run(story)

    async def later(store: Store) -> None:
        assert await store.revocations() == {IDENTITY}
        assert (await store.get_agent("st-mary-1")).revoked == START
        assert (await store.get_agent("st-mary-2")).revoked is None

    life.run(later)


def test_a_token_is_good_for_one_use_and_a_limited_time(life: Deployment) -> None:
    token = TokenRecord(hash="h" * 64, name="st-mary", role=Role.AGENT, expires=START + timedelta(hours=1))

    async def story(store: Store) -> None:
        await store.add_token(token)
        await refused(store.use_token("x" * 64, START), errors.UnknownToken)
        await refused(store.use_token(token.hash, token.expires), errors.TokenExpired)
        assert await store.find_token(token.hash, START) == token
        assert await store.use_token(token.hash, START) == token
        await refused(store.find_token(token.hash, START), errors.TokenUsed)

    life.run(story)
    life.run(lambda store: refused(store.use_token(token.hash, START), errors.TokenUsed))


def test_one_of_many_who_use_a_token_at_once_gets_it(life: Deployment) -> None:
    token = TokenRecord(hash="h" * 64, name="op", role=Role.OPERATOR, expires=START + timedelta(hours=1))

    async def story(store: Store) -> None:
        await store.add_token(token)
        uses = (store.use_token(token.hash, START) for _ in range(20))
        outcomes = await asyncio.gather(*uses, return_exceptions=True)
        assert outcomes.count(token) == 1
        assert sum(isinstance(outcome, errors.TokenUsed) for outcome in outcomes) == 19

    life.run(story)


def test_an_enrolment_that_fails_leaves_the_token_unused(life: Deployment) -> None:
    token = TokenRecord(hash="h" * 64, name="st-mary", role=Role.AGENT, expires=START + timedelta(hours=1))
    certificate = CertificateRecord("1f", IDENTITY, START, START + timedelta(days=1))

    async def story(store: Store) -> None:
        await store.add_token(token)
        await store.put_agent(agent())
        second = replace(agent(), agent_id="st-mary-2")
        await refused(store.enrol(token.hash, certificate, agent=second, now=START), errors.NameTaken)
        assert await store.certificates(IDENTITY) == []
        await store.revoke_agent("st-mary-1", IDENTITY, START)
        await store.enrol(token.hash, certificate, agent=second, now=START)
        assert await store.certificates(IDENTITY) == [certificate]
        await refused(store.enrol(token.hash, certificate, agent=None, now=START), errors.TokenUsed)

    life.run(story)


def test_rosters_keep_their_versions_and_who_accepted_them(life: Deployment) -> None:
    first, second = RosterRecord(1, digest(b"one"), b"one"), RosterRecord(2, digest(b"two"), b"two")

    async def story(store: Store) -> None:
        assert await store.latest_roster() is None
        await store.put_agent(agent())
        for roster in (first, second, first):
            await store.put_roster(roster)
        await refused(store.put_roster(replace(second, hash=digest(b"other"), body=b"other")), errors.RosterConflict)
        for simulated in (False, True, True):
            await store.accept_roster(second.hash, "st-mary-1", START, simulated=simulated)
        await refused(store.accept_roster("0" * 64, "st-mary-1", START, simulated=False), errors.UnknownRoster)
        await refused(store.accept_roster(first.hash, "nobody", START, simulated=False), errors.UnknownAgent)

    life.run(story)

    async def later(store: Store) -> None:
        assert await store.latest_roster() == second
        assert await store.get_roster(first.hash) == first
        await refused(store.get_roster("0" * 64), errors.UnknownRoster)
        assert await store.roster_acceptances(second.hash) == {"st-mary-1": True}
        assert await store.roster_acceptances(first.hash) == {}
        await store.accept_roster(second.hash, "st-mary-1", START, simulated=False)
        assert await store.roster_acceptances(second.hash) == {"st-mary-1": False}, "its last word counts"

    life.run(later)


def test_a_blame_stands_until_its_site_is_readmitted(life: Deployment) -> None:
    first = BlameRecord(SESSION, "st-mary-1", "heart-1", TUNE, 2, "train", "bad-share", START)
    second = replace(first, session_id=b"t" * 32, code="accused", blamed=START + timedelta(hours=1))
    other = replace(first, agent_id="va-1")
    readmitted = START + timedelta(hours=2)

    async def story(store: Store) -> None:
        for name in ("st-mary", "va"):
            await store.put_agent(agent(name))
        for blame in (second, first, other, replace(first, code="bad-dealer")):
            await store.put_blame(blame)
        await refused(store.put_blame(replace(first, agent_id="nobody")), errors.UnknownAgent)
        assert await store.blames() == [first, other, second], "what was said first stands"

    life.run(story)

    async def later(store: Store) -> None:
        await store.readmit("st-mary-1", readmitted)
        await store.readmit("st-mary-1", readmitted + timedelta(hours=1))
        await refused(store.readmit("nobody", readmitted), errors.UnknownAgent)
        again = [replace(first, readmitted=readmitted), other, replace(second, readmitted=readmitted)]
        assert await store.blames() == again

    life.run(later)


def test_what_sites_moved_adds_up_by_study_and_by_tune_over_restarts(life: Deployment) -> None:
    first = TrafficRecord(SESSION, "heart-1", TUNE, 2, "train", 1_000)
    other = replace(first, session_id=b"t" * 32, study_id="heart-2", bytes=2**40)
    constants = replace(first, session_id=b"u" * 32, trial="", round=0, purpose="constants", bytes=7)

    async def story(store: Store) -> None:
        assert await store.study_bytes("heart-1") == 0
        for record in (first, other, constants):
            await store.add_traffic(record)
        assert await store.study_bytes("heart-1") == 1_007
        assert await store.tune_bytes(TUNE) == 2**40 + 1_000

    life.run(story)

    async def later(store: Store) -> None:
        await store.add_traffic(replace(first, bytes=500))
        assert await store.study_bytes("heart-1") == 1_507, "a session that was interrupted goes on counting"
        assert await store.tune_bytes("0" * 64) == 0

    life.run(later)


def test_an_audit_head_neither_goes_back_nor_forks(life: Deployment) -> None:
    async def story(store: Store) -> None:
        await store.put_agent(agent())
        assert await store.audit_head("st-mary-1") is None
        for head in (AuditHead(4, b"four", b"sig"), AuditHead(7, b"seven", b"sig"), AuditHead(7, b"seven", b"sig")):
            await store.put_audit_head("st-mary-1", head)
        await refused(store.put_audit_head("st-mary-1", AuditHead(6, b"six", b"sig")), errors.AuditConflict)
        await refused(store.put_audit_head("st-mary-1", AuditHead(7, b"fork", b"sig")), errors.AuditConflict)
        await refused(store.put_audit_head("nobody", AuditHead(1, b"one", b"sig")), errors.UnknownAgent)
        assert await store.audit_head("st-mary-1") == AuditHead(7, b"seven", b"sig")

    life.run(story)


# --- studies and trials


def test_the_same_submission_twice_is_one_study(life: Deployment) -> None:
    async def story(store: Store) -> None:
        assert await store.put_study(study(), idempotency_key="k") == study()
        assert await store.put_study(study("heart-2"), idempotency_key="k") == study()
        await refused(store.put_study(study(), idempotency_key="other"), errors.StudyExists)
        await refused(store.put_study(replace(study("x"), hash="0" * 64), idempotency_key="k"), errors.StudyExists)
        later = replace(study("heart-2"), created=START + timedelta(seconds=1))
        await store.put_study(later, idempotency_key="k2")
        assert await store.list_studies() == [study(), later]
        await refused(store.get_study("nothing"), errors.UnknownStudy)

    life.run(story)


PATHS: dict[StudyState, tuple[StudyState, ...]] = {
    StudyState.AWAITING_APPROVAL: (),
    StudyState.RUNNING: (StudyState.RUNNING,),
    StudyState.COMPLETED: (StudyState.RUNNING, StudyState.COMPLETED),
    StudyState.STOPPED: (StudyState.STOPPED,),
    StudyState.FAILED: (StudyState.FAILED,),
}


def test_a_study_moves_only_along_its_transitions(life: Deployment) -> None:
    async def story(store: Store) -> None:
        for start, path in PATHS.items():
            for asked in StudyState:
                study_id = f"{start}-{asked}"
                await store.put_study(study(study_id), idempotency_key=study_id)
                for state in path:
                    await store.set_study_state(study_id, state)
                change = store.set_study_state(study_id, asked, outcome={"why": "test"})
                if asked is start or asked in STUDY_TRANSITIONS[start]:
                    await change
                    assert (await store.get_study(study_id)).state is asked
                else:
                    await refused(change, errors.IllegalStudyTransition)
                    assert (await store.get_study(study_id)).state is start

    life.run(story)


def test_a_studys_time_adds_up_over_restarts_and_its_outcome_stays(life: Deployment) -> None:
    async def run(store: Store) -> None:
        await store.put_study(study(), idempotency_key="k")
        await store.add_study_time("heart-1", timedelta(seconds=1, microseconds=5))

    life.run(run)
    life.run(run)

    async def end(store: Store) -> None:
        await store.set_study_state("heart-1", StudyState.FAILED, outcome={"code": "numerics-mismatch"})
        stored = await store.get_study("heart-1")
        assert stored.active == timedelta(seconds=2, microseconds=10)
        assert stored.outcome == {"code": "numerics-mismatch"} and stored.state.final
        await refused(store.add_study_time("nothing", timedelta(1)), errors.UnknownStudy)

    life.run(end)


def test_an_administrators_last_word_counts(life: Deployment) -> None:
    yes = DecisionRecord("heart-1", "st-mary-1", True, "", b"sig-1")
    no = DecisionRecord("heart-1", "st-mary-1", False, "denied-by-administrator", b"sig-2")

    async def story(store: Store) -> None:
        await store.put_agent(agent())
        await store.put_study(study(), idempotency_key="k")
        await store.put_decision(yes)
        await store.put_decision(no)
        assert await store.list_decisions("heart-1") == [no]
        await refused(store.put_decision(replace(yes, study_id="nothing")), errors.UnknownStudy)
        await refused(store.put_decision(replace(yes, agent_id="nobody")), errors.UnknownAgent)

    life.run(story)


def completed(number: int) -> Trial:
    accuracy = Measurement(0.1 + 0.2, 1e-17, 359, Provenance.SECURE_SUM, Split.VALIDATION)
    return replace(
        trial(number),
        state=TrialState.COMPLETED,
        stages=(StageRecord(StageName.TUNE, TUNE, False, 4.1, 6, 1), StageRecord(StageName.COMPRESS, TUNE, True, 0.0)),
        measurements={"one-core": {"accuracy": accuracy}},
        refused_by=("two-core",),
    )


def test_trials_come_back_bit_for_bit_with_the_samplers_state(life: Deployment) -> None:
    async def suggest(store: Store) -> None:
        await store.put_study(study(), idempotency_key="k")
        assert await store.sampler_state("heart-1") is None
        await store.put_trials("heart-1", [trial(1), trial(2)], sampler_state={"draws": 2})
        await store.put_trials("heart-1", [trial(2), trial(10)])
        await store.update_trial("heart-1", replace(trial(1), state=TrialState.RUNNING))
        await store.update_trials("heart-1", [completed(1), replace(trial(2), state=TrialState.INFEASIBLE)])

    life.run(suggest)

    async def later(store: Store) -> None:
        trials = await store.list_trials("heart-1")
        assert trials == [completed(1), replace(trial(2), state=TrialState.INFEASIBLE), trial(10)]
        assert await store.sampler_state("heart-1") == {"draws": 2}

    life.run(later)


def test_a_batch_of_trials_is_stored_whole_or_not_at_all(life: Deployment) -> None:
    async def story(store: Store) -> None:
        await store.put_study(study(), idempotency_key="k")
        await store.put_trials("heart-1", [trial(1)], sampler_state={"draws": 1})
        other = replace(trial(1), configuration=Configuration(tune={"width": 99}))
        batch = store.put_trials("heart-1", [trial(2), other], sampler_state={"draws": 3})
        await refused(batch, errors.TrialConflict)
        running = replace(trial(1), state=TrialState.RUNNING)
        await refused(store.update_trials("heart-1", [running, trial(7)]), errors.UnknownTrial)
        assert await store.list_trials("heart-1") == [trial(1)]
        assert await store.sampler_state("heart-1") == {"draws": 1}
        await refused(store.put_trials("nothing", [trial(1)]), errors.UnknownStudy)

    life.run(story)


def test_a_final_trial_never_changes_and_no_trial_its_configuration(life: Deployment) -> None:
    async def story(store: Store) -> None:
        await store.put_study(study(), idempotency_key="k")
        await store.put_trials("heart-1", [trial(1)])
        await refused(store.update_trial("heart-1", completed(1)), IllegalTransition)
        moved = replace(trial(1), configuration=Configuration(tune={"width": 99}), state=TrialState.RUNNING)
        await refused(store.update_trial("heart-1", moved), errors.TrialConflict)
        await store.update_trial("heart-1", replace(trial(1), state=TrialState.RUNNING))
        for _ in range(2):
            await store.update_trial("heart-1", completed(1))
        await refused(store.update_trial("heart-1", replace(completed(1), measurements={})), errors.TrialConflict)
        await refused(store.update_trial("heart-1", replace(trial(1), state=TrialState.FAILED)), IllegalTransition)
        assert await store.list_trials("heart-1") == [completed(1)]

    life.run(story)


# --- stages and rounds


def test_a_stages_first_result_stays(life: Deployment) -> None:
    async def story(store: Store) -> None:
        assert await store.get_stage("p" * 64) is None
        assert await store.put_stage("PROBE", "p" * 64, {"latency": 0.21}) == {"latency": 0.21}
        assert await store.put_stage("PROBE", "p" * 64, {"latency": 0.35}) == {"latency": 0.21}

    life.run(story)
    assert life.run(lambda store: store.get_stage("p" * 64)) == {"latency": 0.21}


def test_a_round_counts_once(life: Deployment) -> None:
    async def story(store: Store) -> None:
        zero = await first_round(store)
        one = await next_round(store, zero)
        for record in (zero, one, one):
            await store.commit_round(record)
        await refused(store.commit_round(replace(one, counters={"rows": [321]})), errors.RoundAlreadyCommitted)
        await refused(store.commit_round(replace(one, session_id=b"z" * 32)), errors.RoundAlreadyCommitted)
        assert await store.rounds(TUNE) == [zero, one]
        assert await store.latest_round("u" * 64) is None

    life.run(story)

    async def later(store: Store) -> None:
        latest = await store.latest_round(TUNE)
        assert latest is not None and latest.round == 1
        assert await store.get_artifact(latest.model) == b"weights after 1"

    life.run(later)


def test_what_training_cost_adds_up_by_study_over_restarts(life: Deployment) -> None:
    """The second study goes on with a TUNE that the first began."""
    first = TrainingCost(seconds=4.5, measured=100.25, modelled=20.0, memory_mb=300.0)

    async def story(store: Store) -> None:
        zero = await first_round(store)
        one = replace(await next_round(store, zero), study_id="heart-1", cost=first)
        two = replace(await next_round(store, one), study_id="heart-1", cost=replace(first, memory_mb=280.0))
        three = replace(await next_round(store, two), study_id="heart-2", cost=first)
        for record in (zero, one, two, three):
            await store.commit_round(record)

    life.run(story)

    async def later(store: Store) -> None:
        assert await store.study_cost("heart-1") == TrainingCost(9.0, 200.5, 40.0, 300.0)
        assert await store.study_cost("heart-2") == first
        assert await store.study_cost("heart-3") == NO_COST
        assert [record.cost for record in await store.rounds(TUNE)][:2] == [NO_COST, first]

    life.run(later)


def test_a_round_needs_the_one_before_it_and_its_artifacts(life: Deployment) -> None:
    async def story(store: Store) -> None:
        zero = await first_round(store)
        await store.commit_round(zero)
        one = await next_round(store, zero)
        await refused(store.commit_round(replace(one, round=2)), errors.RoundGap)
        await refused(store.commit_round(replace(one, model="0" * 64)), errors.UnknownArtifact)
        assert await store.rounds(TUNE) == [zero]

    life.run(story)


# --- sessions


async def fix_survivors(
    store: Store,
    session_id: bytes = SESSION,
    survivors: tuple[str, ...] = ("a", "b"),
    running_sum: bytes = b"masked sum",
) -> None:
    await store.put_survivors(session_id, spec=b"spec", survivors=survivors, running_sum=running_sum, record=b"record")


def test_a_session_past_its_survivors_is_found_after_a_crash(life: Deployment) -> None:
    async def story(store: Store) -> None:
        for _ in range(2):
            await fix_survivors(store)
            await store.put_unmask_share(SESSION, "b", b"share of b")
        await fix_survivors(store, b"t" * 32)

    life.run(story)
    shares = {"b": b"share of b"}

    async def later(store: Store) -> None:
        found = await store.open_sessions()
        places = [record.place for record in found]
        assert len(set(places)) == 2
        expected = SessionRecord(SESSION, b"spec", ("a", "b"), digest(b"masked sum"), places[0], b"record", shares)
        assert found == [expected, replace(expected, session_id=b"t" * 32, place=places[1], unmask={})]
        assert await store.get_running_sum(found[0]) == b"masked sum"
        for _ in range(2):
            await store.close_session(SESSION)
        assert [record.session_id for record in await store.open_sessions()] == [b"t" * 32]

    life.run(later)


def test_survivors_and_shares_are_said_once(life: Deployment) -> None:
    async def story(store: Store) -> None:
        await refused(store.put_unmask_share(SESSION, "a", b"share"), errors.UnknownSession)
        await fix_survivors(store)
        await refused(fix_survivors(store, survivors=("a", "c")), errors.SessionConflict)
        await store.put_unmask_share(SESSION, "a", b"share")
        await refused(store.put_unmask_share(SESSION, "a", b"another"), errors.SessionConflict)
        (found,) = await store.open_sessions()
        assert found.survivors == ("a", "b") and found.unmask == {"a": b"share"}

    life.run(story)


async def summed(store: Store) -> dict[bytes, bytes]:
    return {record.session_id: await store.get_running_sum(record) for record in await store.open_sessions()}


def test_a_running_sum_stays_as_it_is_while_its_session_is_open_and_its_place_is_used_again(life: Deployment) -> None:
    early, late, last = b"e" * 32, b"l" * 32, b"x" * 32

    async def story(store: Store) -> None:
        await fix_survivors(store, early, running_sum=b"an early and long sum")
        await fix_survivors(store, late, running_sum=b"a late sum")
        await refused(fix_survivors(store, late, running_sum=b"another sum"), errors.SessionConflict)
        assert await summed(store) == {early: b"an early and long sum", late: b"a late sum"}
        places = {record.session_id: record.place for record in await store.open_sessions()}
        await store.close_session(early)
        await fix_survivors(store, last, running_sum=b"short")
        assert await summed(store) == {last: b"short", late: b"a late sum"}
        assert next(r.place for r in await store.open_sessions() if r.session_id == last) == places[early]

    life.run(story)

    async def later(store: Store) -> None:
        await fix_survivors(store, early, running_sum=b"after the restart")
        assert await summed(store) == {early: b"after the restart", last: b"short", late: b"a late sum"}
        for session_id in (early, late, last):
            await store.close_session(session_id)
        for number in range(20):
            await fix_survivors(store, bytes([number]) * 32)
            await store.close_session(bytes([number]) * 32)
        assert len(list((life.state / "sums").iterdir())) <= 3

    life.run(later)
    life.run(lambda store: store.open_sessions())
    assert list((life.state / "sums").iterdir()) == []


def commit_round(store: Store, session_id: bytes) -> Awaitable[None]:
    async def commit() -> None:
        await store.commit_round(replace(await first_round(store), session_id=session_id))

    return commit()


async def put_stage(store: Store, session_id: bytes) -> None:
    await store.put_stage("RUNG", "r" * 64, {"accuracy": 0.9}, session_id=session_id)


async def put_stages(store: Store, session_id: bytes) -> None:
    results = {"r" * 64: {"accuracy": 0.9}, "s" * 64: {"accuracy": 0.8}}
    await store.put_stages("EVALUATE", results, session_id=session_id)
    assert [await store.get_stage(key) for key in results] == list(results.values())


@pytest.mark.parametrize("finish", [commit_round, put_stage, put_stages])
def test_what_a_session_yielded_closes_it_in_the_same_commit(
    life: Deployment, finish: Callable[[Store, bytes], Awaitable[None]]
) -> None:
    async def story(store: Store) -> None:
        await fix_survivors(store)
        await store.put_unmask_share(SESSION, "a", b"share")
        await finish(store, SESSION)
        assert await store.open_sessions() == []

    life.run(story)


# --- artifacts


def test_an_artifact_is_read_whole_or_from_an_offset(life: Deployment) -> None:
    async def story(store: Store) -> None:
        name = await store.put_artifact(memoryview(b"0123456789"))
        assert name == digest(b"0123456789") == await store.put_artifact(b"0123456789", durable=False)
        assert await store.get_artifact(name) == b"0123456789"
        for offset, rest in ((0, b"0123456789"), (7, b"789"), (10, b""), (99, b"")):
            handle, size = store.open_artifact(name, offset)
            with handle:
                assert (handle.read(), size) == (rest, 10)
        await refused(store.get_artifact(digest(b"other")), errors.UnknownArtifact)

    life.run(story)


@pytest.mark.parametrize(
    "name", ["", "..", "../" * 21 + "a", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n", "/" + "0" * 63]
)
def test_no_name_but_a_hash_becomes_a_path(life: Deployment, name: str) -> None:
    async def story(store: Store) -> None:
        await refused(store.get_artifact(name), errors.BadArtifactName)
        with pytest.raises(errors.BadArtifactName):
            store.open_artifact(name)

    life.run(story)
