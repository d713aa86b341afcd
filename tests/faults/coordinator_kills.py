"""kill -9 of the coordinator: what it acknowledged stays, nothing counts twice, and no weight comes out otherwise."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autoglm.processes import wait_until
from autoglm.results import Result
from autoglm.simulate import Simulation
from autoglm_core.trial import Trial
from support.cluster import COORDINATOR
from support.disturbed import Disturbed, prepare, twin
from support.simulations import heart, heart_is_here, synthetic
from support.stored import Stored

SEED = 20
LONGEST_DELAY = 0.3
"""Seconds from the moment that a kill waits for to the kill: a few rounds, or the whole of a short stage."""
STUDY_SECONDS = 600.0
HEART = pytest.mark.skipif(not heart_is_here(), reason="the hospitals' files are not beside the repository")
FINAL = frozenset({"completed", "stopped", "infeasible"})


@dataclass(frozen=True)
class Moment:
    """A kill that comes `delay` seconds after the store shows that `reached` holds."""

    name: str
    reached: Callable[[Stored], bool]
    delay: float


def moments(count: int, *, trials: int, ends: int, rounds: int, seed: int) -> list[Moment]:
    """`count` kills, every stage of a study among them; the rest after one of the `rounds` that it will commit."""
    draw = random.Random(seed)  # noqa: S311  a schedule, no secret

    def at(name: str, reached: Callable[[Stored], bool]) -> Moment:
        return Moment(name, reached, draw.uniform(0.0, LONGEST_DELAY))

    def counted(kind: str, least: int) -> Callable[[Stored], bool]:
        return lambda stored: stored.count(kind) >= least

    def after(number: int) -> Moment:
        return at(f"commit {number} of {rounds}", lambda stored: len(stored.rounds()) >= number)

    always = [
        at("approvals", lambda stored: bool(stored.study_states())),
        at("constants", lambda stored: "running" in stored.study_states()),
        at("probe", lambda stored: bool(stored.trial_states())),
        at("compress", counted("TUNE", draw.randint(1, ends))),
        at("evaluate", counted("COMPRESS", draw.randint(1, ends))),
        at("test", lambda stored: len(stored.trial_states()) == trials and set(stored.trial_states()) <= FINAL),
    ]
    return [*always, *(after(number) for number in draw.sample(range(1, rounds + 1), count - len(always)))]


@dataclass
class Kills:
    """Kills the coordinator at moments, starts it again, and checks each time what it had acknowledged."""

    cluster: Disturbed
    study: str
    left: list[Moment]
    kept: dict[int, Trial]
    configurations: dict[int, str]

    def run(self) -> None:
        """Until every moment was met."""
        stored = self.cluster.stored
        while self.left:
            found: list[Moment] = []

            def met(found: list[Moment] = found) -> bool:
                found.extend(moment for moment in self.left if moment.reached(stored))
                return bool(found) or stored.count("END") > 0

            wait_until(met, what="the next moment", seconds=STUDY_SECONDS)
            assert found, f"the study ended before {[moment.name for moment in self.left]}"
            self.left.remove(found[0])
            self.kill(found[0])

    def kill(self, moment: Moment) -> None:
        """One kill; the trials seen before it must stand behind it."""
        self.acknowledge()
        end = time.monotonic() + moment.delay
        wait_until(lambda: time.monotonic() >= end, what=moment.name, seconds=STUDY_SECONDS)
        self.cluster.kill(COORDINATOR)
        between = self.cluster.stored.open_sessions()
        print(  # noqa: T201  pytest shows it when the test fails, and with -s
            f"killed {moment.delay:.2f} s after {moment.name}: {len(self.kept)} trials final, "
            f"{len(self.cluster.stored.rounds())} rounds, {len(between)} sessions without their sum"
        )
        self.cluster.start(COORDINATOR)
        self.acknowledge()

    def acknowledge(self) -> None:
        """Look at what the operator sees: it only ever grows."""
        trials = {trial.number: trial for trial in self.cluster.result(self.study).trials}
        self.check(trials)
        self.kept |= {number: trial for number, trial in trials.items() if trial.state.final}
        self.configurations |= {number: trial.configuration.key for number, trial in trials.items()}

    def check(self, trials: dict[int, Trial]) -> None:
        """Nothing that was seen is missing or different."""
        assert {number: trials[number] for number in self.kept} == self.kept
        assert {number: trials[number].configuration.key for number in self.configurations} == self.configurations


def outcome(result: Result) -> dict[int, tuple[str, str, Any]]:
    """Of each trial what does not depend on the clock: configuration, state, and what sites counted."""
    return {
        trial.number: (
            trial.configuration.key,
            str(trial.state),
            {
                (name, metric): figure
                for name, figures in trial.measurements.items()
                for metric, figure in figures.items()
                if figure.split is not None
            },
        )
        for trial in result.trials
    }


def undisturbed(simulation: Simulation, folder: Path) -> tuple[Result, Stored]:
    with Disturbed(simulation, folder) as cluster:
        return cluster.wait_for_result(cluster.submit(), seconds=STUDY_SECONDS), cluster.stored


def survive(simulation: Simulation, root: Path, *, kills: int, seed: int) -> None:
    """One study in two twins of a deployment, left alone in one and killed in the other: nothing tells them apart."""
    print(f"seed {seed}")  # noqa: T201
    prepared = prepare(simulation, root / "prepared")
    expected, calm = undisturbed(simulation, twin(prepared, root / "calm"))
    trials, ends, rounds = simulation.study.budget.trials, calm.count("TUNE"), len(calm.rounds())
    with Disturbed(simulation, twin(prepared, root / "killed")) as cluster:
        study = cluster.submit()
        killing = Kills(cluster, study, moments(kills, trials=trials, ends=ends, rounds=rounds, seed=seed), {}, {})
        killing.run()
        result = cluster.wait_for_result(study, seconds=STUDY_SECONDS)
        assert cluster.submit() == study, "the same submission is the same study"
    killing.check({trial.number: trial for trial in result.trials})
    assert [trial.number for trial in result.trials] == list(range(1, trials + 1)), "none lost, none twice"
    assert outcome(result) == outcome(expected)
    assert scores_of_picks(result) == scores_of_picks(expected)
    disturbed = cluster.stored
    assert disturbed.weights() == calm.weights(), "one set of weights for each TUNE key and round"
    counted = [entry.session for entry in disturbed.rounds() if entry.round > 0]
    assert len(set(counted)) == len(counted), "no session's sum counts twice"
    assert [entry.counters for entry in disturbed.rounds()] == [entry.counters for entry in calm.rounds()]


def scores_of_picks(result: Result) -> dict[int, dict[str, float]]:
    """The test scores of every pick, by trial."""
    return {
        point.trial: {name: figure for name, figure in point.figures.items() if name.startswith("test_")}
        for points in result.fronts.values()
        for point in points
    }


@pytest.mark.timeout(600)
@HEART
def test_twenty_kills_during_heart_lose_nothing_and_change_no_weight(tmp_path: Path) -> None:
    survive(heart(trials=6), tmp_path, kills=20, seed=SEED)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
@HEART
def test_forty_kills_at_other_moments(tmp_path: Path, seed: int) -> None:
    survive(heart(trials=12), tmp_path, kills=40, seed=seed)


@pytest.mark.timeout(240)
def test_a_sum_whose_survivors_are_stored_is_finished_and_not_asked_for_again(deployment: Path) -> None:
    with Disturbed(synthetic(trials=4), deployment) as cluster:
        study = cluster.submit()
        caught = cluster.freeze_while_unmasking()
        cluster.restart(COORDINATOR)
        result = cluster.wait_for_result(study)
        rounds = {(entry.tune_key, entry.round): entry for entry in cluster.stored.rounds()}
    counted = rounds[caught.spec.trial, caught.spec.round]
    assert counted.session == caught.spec.session_id, "the interrupted session gave the round, with its stored shares"
    assert counted.survivors == caught.spec.cohort
    assert {str(trial.state) for trial in result.trials} == {"completed"}
    assert cluster.stored.open_sessions() == []


@pytest.mark.timeout(240)
def test_a_sum_that_nobody_can_open_any_more_is_asked_for_anew_and_comes_out_alike(deployment: Path) -> None:
    with Disturbed(synthetic(trials=4), deployment) as cluster:
        cluster.hurry(work="60s", answer="2s", gather="60s")
        study = cluster.submit()
        caught = cluster.freeze_while_unmasking()
        for name in ("site-1", "site-2"):
            cluster.kill(name)
        cluster.kill(COORDINATOR)
        for name in (COORDINATOR, "site-1", "site-2"):
            cluster.start(name)
        result = cluster.wait_for_result(study)
        rounds = {(entry.tune_key, entry.round): entry for entry in cluster.stored.rounds()}
    counted = rounds[caught.spec.trial, caught.spec.round]
    assert counted.session != caught.spec.session_id
    assert counted.survivors == caught.spec.cohort, "the sites opened the same sum again, and no other"
    assert {str(trial.state) for trial in result.trials} == {"completed"}
