"""A coordinator that floods an agent: spoilt artifacts, and a stream of the longest messages.

The agent is the real daemon in a process of its own. Whatever is spoilt is refused with a code, the agent stays up,
and its memory stays below what one artifact and a few messages take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm.processes import Daemon, program, stop_all
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.canonical import canonical_json
from autoglm_core.privacy.roster import Roster
from autoglm_protos.host import SystemClock
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import serving, weights
from support.agent_sites import (
    PARAMETERS,
    SITES,
    STUDY_ID,
    make_site,
    make_spec,
    offer_of,
    parameters_manifest,
    roster_of,
    toy_study,
)
from support.flooding_coordinator import LARGE, SPOILT, FloodingCoordinator, honest
from support.peak_memory import forget_peak, peak

AGENT = SITES[0]
STORY_SECONDS = 30.0
FLOOD, CHECKS = 60, 200
SLACK = 64 * 10**6
"""What gRPC keeps for one connection, and the messages that a session and a dry run hold."""
EPOCHS = (2**63, 2**64 - 1)


class Flooded:
    """One agent process that is connected and has approved the toy study."""

    def __init__(self, root: Path) -> None:
        self.coordinator = FloodingCoordinator(Authority.create("test", now=SystemClock().now()))
        self.study = toy_study()
        self._runner, self._stack, self._sequence = asyncio.Runner(), AsyncExitStack(), 0
        address = self._runner.run(self._stack.enter_async_context(serving(self.coordinator)))
        issued = self.coordinator.issue(AGENT)
        sites = [make_site(root, name, credentials=issued, address=address) for name in SITES]
        self.roster: Roster = roster_of(sites)
        self.coordinator.roster = self.roster
        config = root / AGENT / "agent.toml"
        data = '[data.nothing]\npath = "rows"\nworkload = "synthetic"\n'
        config.write_text(f'name = "{AGENT}"\nstate = "state"\n{data}[policy]\napproval = "simulated"\n')
        self.daemon = Daemon(AGENT, [program("autoglm-agent"), "run", "--config", str(config)], log=root / "log")
        self.daemon.start()
        self.run(self._approved())

    async def _approved(self) -> None:
        await self.coordinator.connected(lambda: bool(self.coordinator.hellos))
        body = canonical_json(self.study.to_json())
        offer = pb.StudyOffer(study_id=STUDY_ID, study=body, roster_hash=self.roster.hash)
        self.coordinator.send(AGENT, pb.CoordinatorMessage(study=offer))
        assert (await self.coordinator.said(AGENT, "decision")).approved

    def run(self, story: Coroutine[Any, Any, Any]) -> Any:
        """Talk to the agent."""
        return self._runner.run(asyncio.wait_for(story, STORY_SECONDS))

    def begin(self, model: bytes) -> bytes:
        """Offer a round over `model`; its session id."""
        self._sequence += 1
        self.coordinator.store(model)
        manifest = parameters_manifest(model)
        spec = make_spec(manifest, self.roster, self.study)
        self.coordinator.offer(AGENT, offer_of(spec, manifest, sequence=self._sequence))
        return spec.session_id

    async def answers(self) -> str:
        """The code of an honest dry run: the agent is up and listens."""
        self.coordinator.ask(AGENT, "7", canonical_json(self.study.to_json()))
        while (said := await self.coordinator.said(AGENT, "check")).check_id != "7":
            continue
        return str(said.code)

    def grown(self, story: Coroutine[Any, Any, Any]) -> int:
        """Most bytes that the daemon had in RAM during `story` above what it had before."""
        before = forget_peak(self.daemon.pid)
        self.run(story)
        return peak(self.daemon.pid) - before

    def stop(self) -> None:
        stop_all([self.daemon], seconds=10)
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flooded]:
    agent = Flooded(tmp_path_factory.mktemp("flooded-agent"))
    try:
        yield agent
    finally:
        agent.stop()


@pytest.mark.parametrize("number", range(len(SPOILT)), ids=SPOILT)
def test_a_spoilt_artifact_is_refused_and_costs_no_memory(flooded: Flooded, number: int) -> None:
    name = list(SPOILT)[number]
    # Numbers that no other model has, and that do not repeat: every chunk is another.
    model = np.linspace(number, number + 1, PARAMETERS, dtype="<f4").tobytes()

    async def story() -> None:
        flooded.coordinator.spoil = SPOILT[name]
        flooded.begin(model)
        assert (await flooded.coordinator.said(AGENT, "failed")).code == "artifact-damaged"
        flooded.coordinator.spoil = honest

    assert flooded.grown(story()) < SLACK


def test_a_flood_of_messages_costs_no_memory(flooded: Flooded) -> None:
    async def story() -> None:
        session_id = flooded.begin(weights(0.5, PARAMETERS))
        flooded.coordinator.flood(AGENT, session_id, messages=FLOOD)
        assert await flooded.answers() == "ok"

    grown = flooded.grown(story())
    assert grown < 3 * SLACK < FLOOD * LARGE, f"{grown / 1e6:.0f} MB"  # four times as many cost no more


def test_a_flood_of_questions_is_answered_within_its_bound(flooded: Flooded) -> None:
    async def story() -> None:
        for number in range(CHECKS):
            flooded.coordinator.ask(AGENT, str(100 + number), b"[" * 2**20)
        for _ in range(CHECKS):
            assert (await flooded.coordinator.said(AGENT, "check")).code == "bad-study"

    assert flooded.grown(story()) < 2 * SLACK < CHECKS * 2**20


@pytest.mark.parametrize("epoch", EPOCHS)
def test_an_agent_outlives_an_epoch_that_its_ledger_cannot_hold(flooded: Flooded, epoch: int) -> None:
    coordinator, honest_epoch = flooded.coordinator, flooded.coordinator.epoch

    async def reconnected(said: int) -> None:
        known, coordinator.epoch = len(coordinator.hellos), said
        coordinator.cut(AGENT)
        await coordinator.connected(lambda: len(coordinator.hellos) > known)

    async def story() -> None:
        await reconnected(epoch)
        await reconnected(honest_epoch)
        assert await flooded.answers() == "ok"

    flooded.run(story())
    assert flooded.daemon.running
    assert "Traceback" not in flooded.daemon.output()
