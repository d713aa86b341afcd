"""Agents that are killed or hang in the middle of a round: the round ends without them, and they come back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from autoglm.processes import wait_until
from support.cluster import COORDINATOR
from support.disturbed import Disturbed, StandingTask
from support.simulations import synthetic
from support.site_record import SiteRecord
from support.stored import StoredRound

SITES = ("site-1", "site-2", "site-3", "site-4")
DEVICE = "device-one-core"


def completed(states: list[str]) -> bool:
    return set(states) == {"completed"}


def trained(cluster: Disturbed) -> list[StoredRound]:
    return [entry for entry in cluster.stored.rounds() if entry.round > 0]


def require_one_release_for_each_model_and_purpose(record: SiteRecord) -> None:
    """As the audit log shows it: every release that the ledger knows left once, and nothing else did."""
    sums = {(release.models, purpose) for (_, purpose), release in record.releases.items()}
    assert len(record.unmasks) == len(set(record.unmasks)) == len(sums)


def require_each_counted_once(cluster: Disturbed) -> None:
    """Every sum gave one round at most."""
    sessions = [entry.session for entry in trained(cluster)]
    assert len(set(sessions)) == len(sessions)
    assert cluster.stored.open_sessions() == []


@pytest.mark.timeout(240)
def test_a_round_ends_without_a_site_that_is_killed_in_it_and_later_ones_have_it_again(deployment: Path) -> None:
    with Disturbed(synthetic(trials=8), deployment) as cluster:
        study, lost = cluster.submit(), cluster.site_id("site-2")
        cluster.wait_for(study, lambda now: now.round >= 1)
        cluster.freeze_in_a_round("site-2")
        before = len(trained(cluster))
        cluster.kill("site-2")
        wait_until(lambda: len(trained(cluster)) > before, what="the round without it", seconds=60)
        cluster.start("site-2")
        cluster.wait_for_result(study)
    interrupted, *later = trained(cluster)[before:]
    assert interrupted.dropped == (lost,)
    assert len(interrupted.survivors) == 3
    assert later, "the study was long enough to see it come back"
    assert all(lost in entry.survivors for entry in later)
    assert completed(cluster.stored.trial_states())
    require_each_counted_once(cluster)


@pytest.mark.timeout(240)
def test_constants_are_summed_over_every_site_also_where_one_is_killed_meanwhile(deployment: Path) -> None:
    with Disturbed(synthetic(trials=2), deployment) as cluster:
        cluster.signal(DEVICE, signal.SIGSTOP)  # its yes is missing, so that the sites wait for it
        study = cluster.submit()
        wait_until(lambda: cluster.study(study).approved == len(SITES), what="the sites' approvals", seconds=60)
        (child,) = cluster.children("site-1")
        os.kill(child, signal.SIGSTOP)
        cluster.signal(DEVICE, signal.SIGCONT)
        assert cluster.standing_tasks("site-1") == [StandingTask("constants", 0, "at-work")], (
            "it works on the constants"
        )
        cluster.kill("site-1")
        wait_until(lambda: "constants round 0, attempt 1: " in cluster.output(COORDINATOR), what="abort", seconds=60)
        cluster.start("site-1")
        cluster.wait_for_result(study)
        assert "purpose=constants round=0 attempt=2 survivors=4/4" in cluster.output(COORDINATOR)
    assert completed(cluster.stored.trial_states())


@pytest.mark.timeout(240)
def test_a_round_that_loses_two_sites_of_four_aborts_and_is_repeated_once_they_are_back(deployment: Path) -> None:
    with Disturbed(synthetic(trials=6), deployment) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.round >= 1)
        cluster.freeze_in_a_round("site-2")
        before = len(trained(cluster))
        # The one that gave its vector first: alone it could not be missed.
        for name in ("site-3", "site-2"):
            cluster.kill(name)
        wait_until(lambda: "attempt 1: " in cluster.output(COORDINATOR), what="the abort", seconds=60)
        assert len(trained(cluster)) == before, "nothing is counted of a sum that two sites could not open"
        assert "ended without a sum: too-few-sites" in cluster.output(COORDINATOR)
        for name in ("site-2", "site-3"):
            cluster.start(name)
        cluster.wait_for_result(study)
        assert "attempt=2 survivors=4/4" in cluster.output(COORDINATOR)
    assert all(len(entry.survivors) == 4 for entry in trained(cluster))
    assert completed(cluster.stored.trial_states())
    require_each_counted_once(cluster)


@pytest.mark.timeout(240)
def test_a_site_that_hangs_past_its_lease_is_done_without_and_its_late_vector_is_dropped(deployment: Path) -> None:
    with Disturbed(synthetic(trials=8), deployment) as cluster:
        cluster.hurry(work="4s", answer="2s", gather="20s")
        study, hanging = cluster.submit(), cluster.site_id("site-4")
        cluster.wait_for(study, lambda now: now.round >= 1)
        child = cluster.freeze_in_a_round("site-4")
        before = len(trained(cluster))
        cluster.signal("site-4", signal.SIGSTOP)
        os.kill(child, signal.SIGCONT)  # the work is done, and nobody is there to send it
        wait_until(lambda: len(trained(cluster)) > before, what="the round without it", seconds=60)
        ended = trained(cluster)[before]
        cluster.signal("site-4", signal.SIGCONT)
        cluster.wait_for_result(study)
        given_out = {name: SiteRecord.read(cluster.folder.agent(name)) for name in SITES}
    assert ended.dropped == (hanging,)
    assert trained(cluster)[before] == ended, "what came late changed nothing"
    model = cluster.stored.weights()[ended.tune_key, ended.round - 1]
    for name, record in given_out.items():
        assert ((model, "train") in record.releases) == (name != "site-4"), "no share left for a sum without it"
        require_one_release_for_each_model_and_purpose(record)
    assert hanging in trained(cluster)[-1].survivors
    assert completed(cluster.stored.trial_states())
    require_each_counted_once(cluster)


@pytest.mark.timeout(240)
def test_a_site_whose_child_is_killed_misses_one_round_at_most(deployment: Path) -> None:
    with Disturbed(synthetic(trials=6), deployment) as cluster:
        study, robbed = cluster.submit(), cluster.site_id("site-1")
        wait_until(lambda: bool(trained(cluster)), what="a round before", seconds=60)
        child = cluster.freeze_in_a_round("site-1")
        before = len(trained(cluster))
        os.kill(child, signal.SIGKILL)
        cluster.wait_for_result(study)
        assert cluster.running("site-1"), "the agent lives on"
    earlier, (interrupted, *later) = trained(cluster)[:before], trained(cluster)[before:]
    assert interrupted.dropped == (robbed,)
    assert all(len(entry.survivors) == 4 for entry in later)
    # What the killed one spent is in no sum, and the means are over those whose figures are.
    assert all(entry.cost.seconds > 0 and entry.cost.joules > 0 for entry in (interrupted, *later))
    # A child's memory grows with what it was asked for: a mean over four would be below that of every other round.
    whole = [entry.cost.memory_mb for entry in (*earlier, *later)]
    assert 0.9 * min(whole) <= interrupted.cost.memory_mb <= 1.1 * max(whole)
    assert completed(cluster.stored.trial_states())


@pytest.mark.timeout(240)
def test_the_coordinators_child_is_killed_at_work_and_no_trial_fails(deployment: Path) -> None:
    with Disturbed(synthetic(trials=6), deployment) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.trials_final >= 1)
        cluster.freeze_the_coordinators_child()
        (child,) = cluster.children(COORDINATOR)
        os.kill(child, signal.SIGKILL)
        cluster.wait_for_result(study)
        assert cluster.running(COORDINATOR)
        assert cluster.children(COORDINATOR) != [child]
    assert completed(cluster.stored.trial_states())
