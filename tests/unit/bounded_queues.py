"""What waits for a peer, or comes from one faster than it is taken, is bounded on both sides of the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, cast

from autoglm_agent.session import LARGEST_WAITING, SessionRun
from autoglm_coordinator.federation.fleet import MOST_WAITING, Fleet
from autoglm_coordinator.federation.transport import AcknowledgeAudit, AgentFacts, AgentLost
from autoglm_coordinator.service.stream import MOST_QUEUED, Grants, StreamLink
from autoglm_core.codes import RefusalCode
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.site_events import Abort, Received
from autoglm_core.task import TaskId

FACTS = AgentFacts("a", "a", "site", "host", "", (), "", "1")
TASK = TaskId("study", "t", 1, 1, 1)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))


def test_one_agents_flood_leaves_room_for_the_others_in_a_tasks_inbox() -> None:
    async def story() -> None:
        fleet = Fleet()
        fleet.attach(StreamLink(FACTS, Grants()))
        with fleet.open_inbox(1, ["a", "b"]) as inbox:
            taken = [number for number in range(1000) if fleet.deliver(1, "a", number)]
            assert taken == list(range(MOST_WAITING))
            assert fleet.deliver(1, "b", "honest")
            fleet.attach(StreamLink(FACTS, Grants()))  # its first stream is lost, and that is never dropped
            heard = [await inbox.get(0) for _ in range(MOST_WAITING + 2)]
            assert heard == [*taken, "honest", AgentLost("a")]
            assert fleet.deliver(1, "a", "once there is room")

    run(story)


def test_an_agent_that_reads_nothing_loses_its_stream() -> None:
    async def story() -> None:
        link = StreamLink(FACTS, Grants())
        for number in range(MOST_QUEUED + 100):
            link.send(AcknowledgeAudit(number))
        assert len([message async for message in link.outgoing()]) == MOST_QUEUED

    run(story)


def test_a_coordinator_that_sends_faster_than_a_session_reads_ends_it() -> None:
    async def story() -> None:
        session = SessionRun(TASK, timedelta(seconds=1), bytes(32), cast(Any, None))  # only its queue is asked for
        message = Message(MessageKind.SURVIVORS, bytes(100_000))
        for _ in range(1000):
            session.receive(message)
        events = []
        while not isinstance(event := await session._next(), Abort):
            events.append(event)
        assert event == Abort(str(RefusalCode.PROTOCOL_VIOLATION))
        assert set(events) == {Received(message)}
        assert LARGEST_WAITING // 2 < len(events) * len(message.body) <= LARGEST_WAITING
        assert session._events.empty()

    run(story)
