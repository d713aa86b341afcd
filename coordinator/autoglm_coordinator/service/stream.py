"""One agent's stream as a `Link`, and what an agent may fetch because of what it was offered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from autoglm_coordinator.federation.transport import (
    AgentFacts,
    EndStudy,
    OfferProbe,
    OfferSession,
    OfferStudy,
    Outgoing,
)
from autoglm_coordinator.service.served_model import ServedModel, served_model
from autoglm_coordinator.service.wire import encode_outgoing
from autoglm_coordinator.trials.probe import manifest_artifacts
from autoglm_core.errors import Denied
from autoglm_core.task import Manifest
from autoglm_protos.v1 import agent_pb2

MOST_QUEUED = 1024
"""Messages that wait to be sent: an agent that does not read them loses its stream."""


class Grants:
    """Artifacts by agent. An agent reads what it was offered in its running tasks, and nothing else."""

    def __init__(self) -> None:
        self._granted: dict[str, dict[str, int]] = defaultdict(dict)
        self._models: dict[str, dict[str, ServedModel]] = defaultdict(dict)

    def record(self, agent_id: str, message: Outgoing) -> None:
        """Remember what `message` lets its receiver fetch."""
        if isinstance(message, OfferStudy):
            served = served_model(message.study)
            if served is not None:
                self._models[agent_id][message.study_id] = served
            return
        if isinstance(message, EndStudy):
            self._models[agent_id].pop(message.study_id, None)
            return
        if isinstance(message, OfferSession):
            names = [item.artifact for item in Manifest.decode(message.manifest).items]
        elif isinstance(message, OfferProbe):
            names = manifest_artifacts(message.manifest)
        else:
            return
        granted = self._granted[agent_id]
        for name in names:
            granted[name] = message.task.sequence
        for name in [name for name, sequence in granted.items() if sequence < message.task.sequence - 256]:
            del granted[name]

    def served(self, agent_id: str, study_id: str) -> ServedModel | None:
        """The model that comes with a study which this agent was offered."""
        return self._models[agent_id].get(study_id)

    def check(self, agent_id: str, sha256: str) -> int:
        """The sequence of the last task that needs this artifact; raises `Denied` unless the agent was offered one."""
        sequence = self._granted[agent_id].get(sha256)
        if sequence is None:
            raise Denied("this artifact belongs to no task that this agent was offered")
        return sequence


class StreamLink:
    """A connected agent behind a gRPC stream. Messages are encoded when they are queued: a bad one fails its sender."""

    def __init__(self, facts: AgentFacts, grants: Grants) -> None:
        self._facts = facts
        self._grants = grants
        self._queue: asyncio.Queue[agent_pb2.CoordinatorMessage | None] = asyncio.Queue()
        self._closed = False

    @property
    def facts(self) -> AgentFacts:
        """Who it is."""
        return self._facts

    def send(self, message: Outgoing) -> None:
        """Queue `message`."""
        if self._queue.qsize() >= MOST_QUEUED:
            self.close()
        if not self._closed:
            self._grants.record(self._facts.agent_id, message)
            self._queue.put_nowait(encode_outgoing(message))

    def close(self) -> None:
        """End the stream once what is queued was sent."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)

    async def outgoing(self) -> AsyncIterator[agent_pb2.CoordinatorMessage]:
        """What is to be written, until `close`."""
        while (message := await self._queue.get()) is not None:
            yield message
