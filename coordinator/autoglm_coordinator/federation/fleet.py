"""The agents that are connected now, and the tasks that wait for their answers.

Nothing here is durable: what must survive is in the store. An inbox belongs to one task; whatever arrives for a task
that no longer has one is late, and is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from autoglm_coordinator.federation.transport import AgentFacts, AgentLost, Link

MOST_WAITING = 8
"""Answers of one agent to one task that nobody took yet: the protocol asks for one at a time."""


class Inbox:
    """The answers to one task, in order of arrival. A context manager: closing it makes later answers late."""

    def __init__(self, fleet: Fleet, key: int, members: frozenset[str]) -> None:
        self._fleet = fleet
        self.key = key
        self.members = members
        self._queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._waiting: Counter[str] = Counter()

    def put(self, agent_id: str, event: object) -> bool:
        """Deliver; False, and nothing is kept, where `MOST_WAITING` of that agent wait already."""
        if self._waiting[agent_id] >= MOST_WAITING:
            return False
        self._waiting[agent_id] += 1
        self._queue.put_nowait((agent_id, event))
        return True

    def lose(self, agent_id: str) -> None:
        """Tell that the agent's stream ended; unlike what an agent says this is never dropped."""
        self._waiting[agent_id] += 1
        self._queue.put_nowait((agent_id, AgentLost(agent_id)))

    @property
    def empty(self) -> bool:
        """Whether `get` would wait."""
        return self._queue.empty()

    async def get(self, until: float | None = None) -> Any:
        """The next event; None once the loop's clock passes `until` (seconds)."""
        try:
            async with asyncio.timeout_at(until if self._queue.empty() else None):
                agent_id, event = await self._queue.get()
        except TimeoutError:
            return None
        self._waiting[agent_id] -= 1
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fleet.close_inbox(self.key)


class Fleet:
    """Connected agents by id."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._changed = asyncio.Event()
        self._begun = time.monotonic()
        self._left: dict[str, float] = {}

    def attach(self, link: Link) -> None:
        """A stream said hello. An older stream of the same agent is closed: the newest counts."""
        previous = self._links.get(link.facts.agent_id)
        self._links[link.facts.agent_id] = link
        if previous is not None and previous is not link:
            self._lost(previous.facts.agent_id)
            previous.close()
        self.notify()

    def detach(self, link: Link) -> None:
        """A stream ended; every task of its agent learns of it."""
        if self._links.get(link.facts.agent_id) is link:
            del self._links[link.facts.agent_id]
            self._left[link.facts.agent_id] = time.monotonic()
            self._lost(link.facts.agent_id)
            self.notify()

    def _lost(self, agent_id: str) -> None:
        for inbox in self._inboxes.values():
            if agent_id in inbox.members:
                inbox.lose(agent_id)

    def link(self, agent_id: str) -> Link | None:
        """The agent's stream, if it has one."""
        return self._links.get(agent_id)

    def seconds_away(self, agent_id: str) -> float:
        """How long the agent has been without a stream; since this start for one that never had one, 0 with one."""
        if agent_id in self._links:
            return 0.0
        return time.monotonic() - self._left.get(agent_id, self._begun)

    def facts(self) -> list[AgentFacts]:
        """Everyone who is connected, by id."""
        return [self._links[agent_id].facts for agent_id in sorted(self._links)]

    def links(self) -> list[Link]:
        """Every open stream."""
        return list(self._links.values())

    def open_inbox(self, key: int, members: Iterable[str]) -> Inbox:
        """An inbox for the task of sequence `key` and the agents that work on it."""
        inbox = Inbox(self, key, frozenset(members))
        self._inboxes[key] = inbox
        return inbox

    def close_inbox(self, key: int) -> None:
        """Whatever comes for this task from now on is late."""
        self._inboxes.pop(key, None)

    def deliver(self, key: int, agent_id: str, event: object) -> bool:
        """Hand `event` to the task; False where it is late or the agent is no member."""
        inbox = self._inboxes.get(key)
        if inbox is None or agent_id not in inbox.members:
            return False
        return inbox.put(agent_id, event)

    def notify(self) -> None:
        """Wake whoever waits in `changed`: an agent came or went, a decision was made."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, within: float) -> None:
        """Return at the next `notify`, or after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            return
