"""Too few sites are there for any sum: the study waits for them and says so, and no trial pays for it."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_a_study_waits_for_its_sites_goes_on_with_them_and_can_be_stopped_without(deployment: Path) -> None:
    with Disturbed(synthetic(trials=40), deployment) as cluster:
        study = cluster.submit()
        before = cluster.wait_for(study, lambda now: now.trials_final >= 1).trials_final
        leave(cluster, study)
        for name in ABSENT:
            cluster.start(name)
        cluster.wait_for(study, lambda now: now.trials_final > before and not now.error_code)
        leave(cluster, study)
        cluster.client.stop(study)
        assert cluster.wait_for(study, lambda now: now.final).state == "stopped"
        states = cluster.stored.trial_states()
    assert states.count("completed") > before
    assert set(states) <= {"completed", "stopped"}


def test_a_study_whose_sites_stay_away_fails_once_and_names_them(deployment: Path) -> None:
    with Disturbed(synthetic(trials=40), deployment) as cluster:
        cluster.hurry(work="60s", answer="2s", gather="1s", absence="3s")
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        leave(cluster, study)
        ended = cluster.wait_for(study, lambda now: now.final)
        states = cluster.stored.trial_states()
    assert (ended.state, ended.error_code) == ("failed", "cohort-too-small")
    assert "site-1, site-2" in ended.error
    assert "completed" in states
    assert set(states) <= {"completed", "stopped"}, "the budget is not burnt"
