"""TUNEs pause at rungs, go on when they are promoted, and outlive a coordinator that is killed meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from autoglm.processes import wait_until
from autoglm.results import Result
from autoglm.simulate import Simulation
from autoglm_core.objective import Direction, Objective
from autoglm_core.trial import StageName, TrialState
from support.cluster import COORDINATOR
from support.disturbed import Disturbed, prepare, twin
from support.simulations import synthetic
from support.site_record import SiteRecord
from support.stored import Stored

RUNGS = (1, 3, 9)
SITES = ("site-1", "site-2", "site-3", "site-4")
STUDY_SECONDS = 240.0


def with_rungs(*, trials: int) -> Simulation:
    """Two variants to a TUNE; one objective that no clock decides, so that every run of it is the same."""
    simulation = synthetic(trials=trials)
    loss = Objective("loss", Direction.MINIMIZE)
    return replace(simulation, study=replace(simulation.study, objectives=(loss,), rounds=RUNGS[-1], rungs=RUNGS))


def last_rounds(stored: Stored) -> Counter[int]:
    """How many TUNEs ended at which round."""
    last = {entry.tune_key: entry.round for entry in stored.rounds()}
    return Counter(last.values())


def waits(stored: Stored, trials: int) -> bool:
    """Whether so many trials wait at a rung."""
    tuned = [stage for trial in stored.trials() if trial.state is TrialState.RUNNING for stage in trial.stages]
    return sum(stage.name is StageName.TUNE for stage in tuned) >= trials


def sessions_of(cluster: Disturbed) -> int:
    """The most that one site took part in."""
    return max(len(SiteRecord.read(cluster.folder.agent(name)).sessions) for name in SITES)


def states(result: Result) -> dict[int, str]:
    return {trial.number: str(trial.state) for trial in result.trials}


@pytest.mark.timeout(600)
def test_paused_tunes_outlive_the_coordinator_and_no_round_is_run_twice(tmp_path: Path) -> None:
    simulation = with_rungs(trials=12)
    prepared = prepare(simulation, tmp_path / "prepared")
    with Disturbed(simulation, twin(prepared, tmp_path / "calm")) as cluster:
        expected = cluster.wait_for_result(cluster.submit(), seconds=STUDY_SECONDS)
        calm, needed = cluster.stored, sessions_of(cluster)
    with Disturbed(simulation, twin(prepared, tmp_path / "killed")) as cluster:
        study, kills = cluster.submit(), 0
        for waiting in (2, 4, 6):
            wait_until(partial(waits, cluster.stored, waiting), what=f"{waiting} paused", seconds=60)
            cluster.restart(COORDINATOR)
            kills += 1
        result = cluster.wait_for_result(study, seconds=STUDY_SECONDS)
        killed, taken = cluster.stored, sessions_of(cluster)
    assert states(result) == states(expected)
    given_up = [trial for trial in result.trials if trial.state is TrialState.STOPPED]
    assert {(trial.error or {}).get("code") for trial in given_up} == {"hopeless"}, "no limit ended anything"
    assert last_rounds(calm)[RUNGS[-1]] >= 1, "some end"
    assert last_rounds(calm).total() > last_rounds(calm)[RUNGS[-1]], "and some do not"
    assert set(last_rounds(calm)) <= set(RUNGS)
    assert [(entry.tune_key, entry.round) for entry in killed.rounds()] == [
        (entry.tune_key, entry.round) for entry in calm.rounds()
    ]
    assert killed.weights() == calm.weights()
    assert taken <= needed + kills, "a kill costs the session that it hits, and no other"
