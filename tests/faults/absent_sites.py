"""Too few sites are there for any sum: the study waits for them and says so, and no trial pays for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoglm_core.trial import Trial, TrialState
from support.disturbed import Disturbed
from support.simulations import synthetic

ABSENT = ("site-1", "site-2")
pytestmark = pytest.mark.timeout(240)


def leave(cluster: Disturbed, study: str) -> None:
    """Two of four sites go, and the study comes to a standstill."""
    for name in ABSENT:
        cluster.kill(name)
    waiting = cluster.wait_for(study, lambda now: now.error_code == "cohort-too-small")
    assert waiting.state == "running"
    assert "2 are connected and a session needs 3; start the agent of site-1, site-2" in waiting.error


def completed(cluster: Disturbed) -> int:
    return cluster.stored.trial_states().count("completed")


def unfairly_failed(trials: list[Trial]) -> list[Trial]:
    """Failed trials, but for those of a sum that was cut while it was opened: shares are released once."""
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    return [trial for trial in failed if "already-released" not in (trial.error or {}).get("declined", "")]


def test_a_study_waits_for_its_sites_goes_on_with_them_and_can_be_stopped_without(deployment: Path) -> None:
    with Disturbed(synthetic(trials=40), deployment) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        leave(cluster, study)
        before = completed(cluster)
        for name in ABSENT:
            cluster.start(name)
        cluster.wait_for(study, lambda now: completed(cluster) > before and not now.error_code)
        leave(cluster, study)
        cluster.client.stop(study)
        assert cluster.wait_for(study, lambda now: now.final).state == "stopped"
        trials = cluster.stored.trials()
    assert not unfairly_failed(trials)


def test_a_study_whose_sites_stay_away_fails_once_and_names_them(deployment: Path) -> None:
    with Disturbed(synthetic(trials=40), deployment) as cluster:
        cluster.hurry(work="60s", answer="2s", gather="1s", absence="3s")
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        leave(cluster, study)
        ended = cluster.wait_for(study, lambda now: now.final)
        trials = cluster.stored.trials()
    assert (ended.state, ended.error_code) == ("failed", "cohort-too-small")
    assert "site-1, site-2" in ended.error
    assert any(trial.state is TrialState.COMPLETED for trial in trials)
    assert not unfairly_failed(trials), "the budget is not burnt"
