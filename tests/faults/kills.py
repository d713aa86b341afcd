"""kill -9 of any daemon at any moment: what was acknowledged stays, and the study goes on."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from autoglm.progress import Progress
from autoglm.results import Result
from autoglm.simulate import Simulation
from autoglm_core.trial import StageName, Trial
from support.cluster import COORDINATOR, Cluster
from support.simulations import heart, heart_is_here, synthetic

MOST_LOOKS = 4
"""A kill comes after one to so many messages of progress, which arrive at every event and twice a second."""


def final_trials(cluster: Cluster, study: str) -> dict[int, Trial]:
    return {trial.number: trial for trial in cluster.result(study).trials if trial.state.final}


def keys(result: Result, name: StageName) -> dict[str, str]:
    """Of each trial, by configuration: the key of one stage. COMPRESS is keyed by the hash of the tuned weights."""
    return {
        trial.configuration.key: stage.key for trial in result.trials for stage in trial.stages if stage.name is name
    }


def survive_kills(cluster: Cluster, *, kills: int, seed: int) -> Result:
    """Kill the coordinator at `kills` random points of one study; what was acknowledged once must never change."""
    moments = random.Random(seed)  # noqa: S311  a schedule, no secret
    study = cluster.submit()
    kept: dict[int, Trial] = {}
    for _ in range(kills):
        if _look(cluster, study, moments.randint(1, MOST_LOOKS)).final:
            break
        kept |= final_trials(cluster, study)
        cluster.restart(COORDINATOR)
        now = final_trials(cluster, study)
        assert {number: now[number] for number in kept} == kept
    result = cluster.wait_for_result(study, seconds=600)
    after = {trial.number: trial for trial in result.trials}
    assert {number: after[number] for number in kept} == kept
    assert sorted(after) == list(range(1, cluster.simulation.study.budget.trials + 1)), "none is lost"
    assert len(after) == len(result.trials), "none is counted twice"
    return result


def _look(cluster: Cluster, study: str, times: int) -> Progress:
    looks = iter(range(times, 0, -1))
    return cluster.wait_for(study, lambda now: now.final or next(looks) == 1)


def twice(simulation: Simulation, folder: Path, *, kills: int, seed: int) -> tuple[Result, Result]:
    """One study undisturbed and then with `kills`, both by the same sites with the same keys.

    The sites round their updates with keys of their own, so only the same sites give the same weights again: the
    deployment is put back, in its place, to where it was before the study.
    """
    live, before = folder / "live", folder / "before"
    with Cluster(simulation, live):
        pass
    shutil.copytree(live, before)
    with Cluster(simulation, live) as cluster:
        expected = cluster.wait_for_result(cluster.submit())
    shutil.rmtree(live)
    before.rename(live)
    with Cluster(simulation, live) as cluster:
        return expected, survive_kills(cluster, kills=kills, seed=seed)


@pytest.mark.timeout(240)
def test_a_killed_site_comes_back_and_the_study_ends(tmp_path: Path) -> None:
    with Cluster(synthetic(trials=8), tmp_path) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        cluster.restart("site-2")
        cluster.wait_connected("site-2")
        result = cluster.wait_for_result(study)
    assert len(result.trials) == 8
    assert sum(str(trial.state) == "completed" for trial in result.trials) >= 6


@pytest.mark.timeout(240)
def test_a_site_that_stays_away_is_done_without(tmp_path: Path) -> None:
    with Cluster(synthetic(trials=8), tmp_path) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        cluster.kill("site-2")
        result = cluster.wait_for_result(study)
        assert cluster.connected() >= {"site-1", "site-3", "site-4"}
    assert all(trial.state.final for trial in result.trials)


@pytest.mark.timeout(240)
def test_a_killed_coordinator_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with Cluster(synthetic(trials=8), tmp_path) as cluster:
        result = survive_kills(cluster, kills=2, seed=7)
        assert cluster.submit() == result.study_id, "the same submission is the same study, also after a restart"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not heart_is_here(), reason="the hospitals' files are not beside the repository")
def test_twenty_kills_during_heart_lose_nothing_and_change_no_weight(tmp_path: Path) -> None:
    expected, result = twice(heart(), tmp_path, kills=20, seed=7)
    assert keys(result, StageName.TUNE) == keys(expected, StageName.TUNE)
    assert keys(result, StageName.COMPRESS) == keys(expected, StageName.COMPRESS), "the same weights for the same TUNE"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
def test_twenty_kills_at_other_moments(tmp_path: Path, seed: int) -> None:
    with Cluster(synthetic(trials=40), tmp_path) as cluster:
        survive_kills(cluster, kills=20, seed=seed)
