"""A site of the cohort that floods the coordinator: spoilt uploads by the dozen, and a stream of the longest messages.

The coordinator is the real daemon, and so is everything of the hostile site but what it sends (support/
flooding_agent.py). Everything spoilt is refused with a reason, the round goes on, and the daemon's memory stays below
what one honest upload may take and what gRPC keeps for one connection.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from autoglm.processes import Daemon, daemon_environment
from autoglm.results import Result
from autoglm.simulate import Simulation
from autoglm_coordinator.federation.receptions import UPLOAD_BYTES
from support import flooding_agent
from support.cluster import COORDINATOR, Cluster
from support.flooding_agent import AT_ONCE, FLOOD, LARGE, REPORT, VICTIM
from support.simulations import durable

TESTS = Path(__file__).parents[1]
SITES, HOSTILE = 4, "site-4"
PARAMETERS = 1_000_000
VECTOR = 4 * PARAMETERS
SLACK = 64 * 10**6
"""Weights, their store and gRPC's buffers, of an honest round too."""


@dataclass(frozen=True)
class Story:
    uploads: dict[str, Any]
    stream: dict[str, Any]
    result: Result
    said: str


def four_sites() -> Simulation:
    """Two rounds over vectors of 4 MB; one site may be missing."""
    simulation = durable()
    protection = replace(simulation.study.protection, ring_bits=32, random_k=1.0)
    options = {"parameters": PARAMETERS}
    study = replace(simulation.study, model_options=options, rounds=2, rungs=(2,), protection=protection)
    return replace(simulation, study=study, spec=replace(simulation.spec, sites=SITES))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One study with the hostile site in its cohort."""
    root = tmp_path_factory.mktemp("flooded")
    with Cluster(four_sites(), root / "run") as cluster:
        pid = cluster.pid(COORDINATOR)
        arguments = ["run", "--config", str(cluster.folder.agent(HOSTILE) / "agent.toml")]
        environment = {**daemon_environment(), REPORT: str(root), VICTIM: str(pid), "PYTHONPATH": str(TESTS)}
        command = [sys.executable, "-m", flooding_agent.__name__, *arguments]
        daemon = Daemon(HOSTILE, command, log=cluster.folder.log("flooding"), environment=environment)
        cluster.kill(HOSTILE)
        daemon.start()
        try:
            cluster.wait_connected(HOSTILE)
            result = cluster.wait_for_result(cluster.submit())
            uploads, stream = (json.loads((root / f"{name}.json").read_text()) for name in ("uploads", "stream"))
            yield Story(uploads, stream, result, cluster.output(COORDINATOR))
        finally:
            daemon.sweep()


def test_every_spoilt_upload_is_refused_with_its_reason(story: Story) -> None:
    codes = dict(story.uploads["codes"])
    assert codes.pop("names another session") == "not-found"
    assert codes.pop("sends too long a message") == "resource-exhausted"
    assert set(codes.values()) == {"damaged-upload"}, codes


def test_a_site_has_one_upload_at_a_time(story: Story) -> None:
    # A status that is lost with its call leaves "internal" or "unreachable".
    assert set(story.uploads["at_once"]) <= {"upload-under-way", "internal", "unreachable"}
    assert story.uploads["at_once"].count("upload-under-way") > AT_ONCE // 2


def test_the_rounds_go_on_and_the_coordinator_logs_no_defect(story: Story) -> None:
    (trial,) = story.result.trials
    assert str(trial.state) == "completed"
    assert [stage.rounds for stage in trial.stages if stage.rounds] == [2]
    assert "Traceback" not in story.said
    assert "defect" not in story.said


def test_spoilt_uploads_cost_no_more_memory_than_the_uploads_of_a_round(story: Story) -> None:
    grown = story.uploads["peak"] - story.uploads["before"]
    assert grown < UPLOAD_BYTES + VECTOR + SLACK < AT_ONCE * LARGE, f"{grown / 1e6:.0f} MB"


def test_a_flooded_stream_costs_no_memory(story: Story) -> None:
    grown = story.stream["peak"] - story.stream["before"]
    assert grown < 2 * VECTOR + SLACK < FLOOD * LARGE, f"{grown / 1e6:.0f} MB"
