"""kill -9 of any daemon at any moment: what was acknowledged stays, and the study goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from autoglm_core.trial import Trial
from support.cluster import COORDINATOR, Cluster
from support.simulations import synthetic


def final_trials(cluster: Cluster, study: str) -> dict[int, Trial]:
    return {trial.number: trial for trial in cluster.result(study).trials if trial.state.final}


@pytest.mark.timeout(240)
def test_a_killed_site_comes_back_by_itself_and_the_study_ends(tmp_path: Path) -> None:
    with Cluster(synthetic(trials=8), tmp_path) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        cluster.kill("site-2")
        cluster.start("site-2")
        cluster.wait_connected("site-2")
        result = cluster.wait_for_result(study)
    assert len(result.trials) == 8
    assert {str(trial.state) for trial in result.trials} <= {"completed", "stopped", "failed"}
    assert sum(str(trial.state) == "completed" for trial in result.trials) >= 6


@pytest.mark.timeout(240)
def test_a_killed_coordinator_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with Cluster(synthetic(trials=8), tmp_path) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 2)
        before = final_trials(cluster, study)
        cluster.restart(COORDINATOR)
        result = cluster.wait_for_result(study)
        assert cluster.submit() == study, "the same submission is the same study, also after a restart"
    after = {trial.number: trial for trial in result.trials}
    assert {number: after[number] for number in before} == before
    assert sorted(after) == list(range(1, 9)) or sorted(after) == list(range(8)), "no trial is lost or counted twice"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_kills_of_the_coordinator_lose_nothing(tmp_path: Path) -> None:
    moments = random.Random(7)  # noqa: S311  a schedule, no secret
    with Cluster(synthetic(trials=40), tmp_path) as cluster:
        study = cluster.submit()
        kept: dict[int, Trial] = {}
        for kill in range(20):
            if _await_trials(cluster, study, kill + moments.randrange(2)):
                break
            kept |= final_trials(cluster, study)
            cluster.restart(COORDINATOR)
        result = cluster.wait_for_result(study, seconds=600)
    after = {trial.number: trial for trial in result.trials}
    assert {number: after[number] for number in kept} == kept
    assert len(after) == len(result.trials) == 40


def _await_trials(cluster: Cluster, study: str, least: int) -> bool:
    """Wait for `least` final trials; whether the study ended with them."""
    return cluster.wait_for(study, lambda now: now.final or now.trials_final >= least).final
