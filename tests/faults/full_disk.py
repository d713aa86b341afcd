"""A coordinator whose disk takes nothing more: it says so, forgets nothing, and goes on when there is space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoglm.processes import wait_until
from autoglm.results import Result
from autoglm.simulate import Simulation
from autoglm_core.errors import RemoteError
from autoglm_core.trial import Trial
from support.cluster import COORDINATOR
from support.disturbed import Disturbed
from support.simulations import synthetic

MEGABYTE = 2**20


def large(*, trials: int) -> Simulation:
    """Models of 4 MB: one does not fit where a trial's record still does."""
    simulation = synthetic(trials=trials)
    return replace(simulation, study=replace(simulation.study, model_options={"parameters": MEGABYTE}))


def require_all_kept(before: tuple[Trial, ...], result: Result, *, trials: int) -> None:
    """Every trial completed, and those seen before are what they were."""
    after = {trial.number: trial for trial in result.trials}
    assert len(after) == len(result.trials) == trials
    assert {str(trial.state) for trial in result.trials} == {"completed"}
    for trial in before:
        assert after[trial.number].configuration == trial.configuration
        assert not trial.state.final or after[trial.number] == trial


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_full_disk_is_said_and_the_study_goes_on_after_a_restart_with_space(deployment: Path) -> None:
    with Disturbed(synthetic(trials=6), deployment) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        with cluster.full_disk():
            told = cluster.wait_for(study, lambda now: now.error_code == "storage-full")
            before = cluster.result(study).trials
            with pytest.raises(RemoteError) as refused:
                cluster.submit(key="second")
        cluster.restart(COORDINATOR)
        result = cluster.wait_for_result(study)
    assert "free space" in told.error
    assert told.state == "running", "the study waits, it has not failed"
    assert refused.value.remote_code == "storage-full"
    require_all_kept(before, result, trials=6)


@pytest.mark.timeout(240)
def test_a_disk_that_has_no_room_for_one_model_fails_no_trial(deployment: Path) -> None:
    with Disturbed(large(trials=4), deployment) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        with cluster.full_disk(spare=MEGABYTE):
            cluster.wait_for(study, lambda now: now.error_code == "storage-full")
            before = cluster.result(study).trials
        told = cluster.wait_for(study, lambda now: not now.error_code)
        result = cluster.wait_for_result(study)
    assert told.state == "running", "it goes on by itself"
    require_all_kept(before, result, trials=4)


@pytest.mark.timeout(240)
def test_a_coordinator_that_starts_on_a_full_disk_says_so_and_starts_once_there_is_space(deployment: Path) -> None:
    with Disturbed(synthetic(trials=2), deployment) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        cluster.kill(COORDINATOR)
        said = cluster.start_on_a_full_disk()
        assert "free space" in said
        assert "Traceback" not in said
        cluster.start(COORDINATOR)
        wait_until(cluster.answers, what="the coordinator", seconds=30)
        require_all_kept((), cluster.wait_for_result(study), trials=2)
