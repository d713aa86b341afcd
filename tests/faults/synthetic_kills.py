"""The same laws without any data: a site stays away, the coordinator is killed, and nothing acknowledged changes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from autoglm.progress import Progress
from autoglm.results import Result
from autoglm_core.trial import Trial
from support.cluster import COORDINATOR, Cluster
from support.simulations import synthetic

MOST_LOOKS = 4
"""A kill comes after one to so many messages of progress, which arrive at every event and twice a second."""


def final_trials(cluster: Cluster, study: str) -> dict[int, Trial]:
    return {trial.number: trial for trial in cluster.result(study).trials if trial.state.final}


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


@pytest.mark.long
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
@pytest.mark.parametrize("seed", range(5))
def test_twenty_kills_at_other_moments(tmp_path: Path, seed: int) -> None:
    with Cluster(synthetic(trials=40), tmp_path) as cluster:
        survive_kills(cluster, kills=20, seed=seed)
