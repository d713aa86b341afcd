"""One agent, in a process of its own, is attacked by every test that names it; each session is over a new model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.live_victim import AgentVictim
from support.victims import MachineVictim, Victim


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentVictim]:
    """The agent; it stands and can be summed with before the first attack."""
    running = AgentVictim(tmp_path_factory.mktemp("victim"))
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(params=["machine", "agent"])
def victim(request: pytest.FixtureRequest) -> Victim:
    """The same attack on the state machine alone and on the agent."""
    found: Victim = MachineVictim() if request.param == "machine" else request.getfixturevalue("agent")
    return found
