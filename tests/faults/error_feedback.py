"""Error feedback over real daemons on a bad day: a site takes up the residual that its twin has, and no other.

The studies train in 16 bits and carry a quarter of the parameters in a round, so a wrong residual shows in the weights
of the round that follows. Deaths at every durable point of such a round are in durable_points.py; here is what only a
larger cohort has, where a round goes on without the site.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm.processes import Daemon, wait_until
from autoglm.simulate import Simulation
from autoglm_agent.state import StateFolder
from autoglm_core.study import Protection
from support import dying_daemon
from support.disturbed import Disturbed, twin
from support.dying_daemon import ROUND, Point, Side
from support.simulations import synthetic
from support.stored import StoredRound

ROUNDS = 4
VICTIM = "site-2"
DEATH_SECONDS = 60.0
pytestmark = pytest.mark.timeout(240)


def sparse() -> Simulation:
    """One TUNE of four rounds over four sites, with a step of a clip's hundredth."""
    simulation = synthetic(trials=1)
    protection = Protection(ring_bits=16, random_k=0.25, clip=0.01)
    return replace(simulation, study=replace(simulation.study, rounds=ROUNDS, rungs=(), protection=protection))


@contextmanager
def dies(cluster: Disturbed, point: Point, side: Side) -> Iterator[None]:
    """Within: the victim runs as one that dies at that point. Behind: it is dead."""
    config = cluster.folder.agent(VICTIM) / "agent.toml"
    command = [sys.executable, dying_daemon.__file__, point, side, "run", "--config", str(config)]
    daemon = Daemon(VICTIM, command, log=cluster.folder.log("dying"))
    cluster.kill(VICTIM)
    daemon.start()
    try:
        cluster.wait_connected("site-1", VICTIM, "site-3", "site-4")
        yield
        assert daemon.wait(seconds=DEATH_SECONDS), f"it never came to the point: {daemon.output()}"
    finally:
        daemon.sweep()


def residuals(cluster: Disturbed) -> dict[tuple[int, bytes], Path]:
    """The victim's, by round and session."""
    files = StateFolder(cluster.folder.agent(VICTIM) / "state").residuals.rglob("*-*")
    return {(int(path.name.split("-")[0]), bytes.fromhex(path.name.split("-")[1])): path for path in files}


def committed(cluster: Disturbed) -> dict[int, StoredRound]:
    return {entry.round: entry for entry in cluster.stored.rounds()}


def test_a_site_that_died_before_it_knew_that_its_vector_counted_goes_on_as_its_twin(
    prepared: Path, tmp_path: Path
) -> None:
    with Disturbed(sparse(), twin(prepared, tmp_path / "calm")) as cluster:
        cluster.wait_for_result(cluster.submit())
        expected = cluster.stored.weights()
    with Disturbed(sparse(), twin(prepared, tmp_path / "run")) as cluster:
        with dies(cluster, Point.RELEASE, Side.BEFORE):
            study, victim = cluster.submit(), cluster.site_id(VICTIM)
        wait_until(lambda: ROUND in committed(cluster), what="the round that it died in", seconds=60)
        counted = committed(cluster)[ROUND]
        assert victim in counted.survivors, "the others opened the sum, its vector in it"
        assert (ROUND, counted.session) in residuals(cluster), "on disk before the vector left"
        cluster.start(VICTIM)
        cluster.wait_for_result(study)
        assert "begins without" not in cluster.output(VICTIM)
        assert cluster.stored.weights() == expected
        assert all(len(entry.survivors) == 4 for number, entry in committed(cluster).items() if number)


def test_a_site_whose_vector_did_not_count_comes_back_with_the_residual_of_the_round_before(
    prepared: Path, tmp_path: Path
) -> None:
    with Disturbed(sparse(), twin(prepared, tmp_path / "run")) as cluster:
        with dies(cluster, Point.VECTOR, Side.AFTER):
            study, victim = cluster.submit(), cluster.site_id(VICTIM)
        wait_until(lambda: ROUND in committed(cluster), what="the round without it", seconds=60)
        assert committed(cluster)[ROUND].dropped == (victim,)
        assert sorted(number for number, _ in residuals(cluster)) == [ROUND - 1, ROUND]
        cluster.start(VICTIM)
        # A round clears away what it does not begin with: that of the round that passed without the site.
        wait_until(
            lambda: sorted(number for number, _ in residuals(cluster)) == [ROUND - 1, ROUND + 1],
            what="the round with it again",
            seconds=60,
        )
        cluster.wait_for_result(study)
        assert "begins without" not in cluster.output(VICTIM)
        assert all(victim in committed(cluster)[number].survivors for number in (1, 3, 4))
        wait_until(lambda: not residuals(cluster), what="the end of the study to reach the site", seconds=60)
