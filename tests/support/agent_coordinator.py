"""A coordinator as small as a test needs it: a real mutual-TLS port, one stream per agent, sessions run on demand.

It keeps nothing and checks nothing but what the secure sum's own half checks, so that a test can make it misbehave.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import numpy as np

from autoglm_agent.incoming import SessionOffered
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.canonical import digest
from autoglm_core.errors import AutoglmError
from autoglm_core.identity import Identity, Role
from autoglm_core.privacy.coordinator_events import (
    Aborted,
    Completed,
    CoordinatorEvent,
    MaskedArrived,
    Opened,
    Persisted,
    PersistSurvivors,
    Received,
    SendTo,
    SiteLost,
    SumResult,
)
from autoglm_core.privacy.coordinator_session import CoordinatorSession
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_protos.convert import session_message_from_wire, session_message_to_wire, task_to_wire
from autoglm_protos.enroll import new_request
from autoglm_protos.host import SystemClock
from autoglm_protos.tls import Credentials, peer_of
from autoglm_protos.v1 import agent_pb2 as pb
from autoglm_protos.v1 import agent_pb2_grpc
from support.loopback import server, server_certificate

ANSWER = 20.0
STUDY_EPOCH = 5


class SumFailed(Exception):
    """The session ended without a sum; `code` is its abort, `declined` what sites said."""

    def __init__(self, code: str, declined: dict[str, str]) -> None:
        super().__init__(f"{code} {declined}")
        self.code = code
        self.declined = declined


class SmallCoordinator(agent_pb2_grpc.AgentServiceServicer):
    """`inbox`: messages by agent, those of sessions left out. `refuse`: raised instead of a welcome."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.artifacts: dict[str, bytes] = {}
        self.held: dict[str, asyncio.Event] = {}
        """By artifact: what its rest waits for."""
        self.holding = asyncio.Event()
        self.inbox: dict[str, asyncio.Queue[pb.AgentMessage]] = defaultdict(asyncio.Queue)
        self.hellos: list[tuple[str, str]] = []
        self.roster: Roster | None = None
        self.epoch = STUDY_EPOCH
        self.refuse: AutoglmError | None = None
        self.events: asyncio.Queue[CoordinatorEvent] = asyncio.Queue()
        self.uploads: list[bytes] = []
        self.heard: list[bytes] = []
        """Everything that ever came from an agent, as it came."""
        self._streams: dict[str, asyncio.Queue[pb.CoordinatorMessage | None]] = {}
        self._spec: SessionSpec | None = None
        self._arrived = asyncio.Event()

    # The service

    async def Connect(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.CoordinatorMessage]:
        peer = peer_of(context.auth_context())
        site, messages = peer.identity.id, aiter(request_iterator)
        self.heard.append((await anext(messages)).SerializeToString())
        if self.refuse is not None:
            raise self.refuse
        self.hellos.append((site, peer.serial))
        outgoing = self._streams[site] = asyncio.Queue()
        reader = asyncio.create_task(self._read(site, messages, outgoing))
        yield self._welcome()
        self._arrived.set()
        try:
            while (message := await outgoing.get()) is not None:
                yield message
        finally:
            reader.cancel()

    def _welcome(self) -> pb.CoordinatorMessage:
        welcome = pb.Welcome(protocol=1, deployment="test", store_epoch=self.epoch, heartbeat_seconds=1)
        if self.roster is not None:
            welcome.roster.body = self.roster.encode()
        return pb.CoordinatorMessage(welcome=welcome)

    async def _read(self, site: str, messages: Any, outgoing: asyncio.Queue[pb.CoordinatorMessage | None]) -> None:
        async for message in messages:
            self.heard.append(message.SerializeToString())
            self.take(site, message)
        outgoing.put_nowait(None)

    def take(self, site: str, message: pb.AgentMessage) -> None:
        """What an agent said on its stream."""
        match message.WhichOneof("message"):
            case "session":
                self.events.put_nowait(Received(site, session_message_from_wire(message.session)))
            case "heartbeat":
                return
            case _:
                self.inbox[site].put_nowait(message)

    def take_vector(self, arrived: MaskedArrived, session_id: bytes) -> None:
        """A vector that an agent delivered."""
        self.events.put_nowait(arrived)

    def spec_of(self, session_id: bytes) -> SessionSpec | None:
        """The spec of a running session."""
        known = self._spec is not None and self._spec.session_id == session_id
        return self._spec if known else None

    async def Get(self, request: pb.GetRequest, context: Any) -> AsyncIterator[pb.GetChunk]:
        data = self.artifacts[request.sha256]
        yield pb.GetChunk(total=len(data), data=data[request.offset : request.offset + 1000])
        if request.sha256 in self.held:
            self.holding.set()
            await self.held[request.sha256].wait()
        for start in range(request.offset + 1000, len(data), 1000):
            yield pb.GetChunk(data=data[start : start + 1000])

    async def Put(self, request_iterator: Any, context: Any) -> pb.PutReply:
        await context.send_initial_metadata(())
        chunks = [chunk async for chunk in request_iterator]
        image = b"".join(chunk.data for chunk in chunks)
        spec = self.spec_of(chunks[0].session_id)
        if spec is None:
            return pb.PutReply(stored=False)
        self.uploads.append(image)
        self.heard.append(image)
        vector = MaskedVector.from_bytes(spec.layout, bytearray(image))
        header = Message(MessageKind.MASKED, chunks[0].header, chunks[0].signature)
        self.take_vector(MaskedArrived(peer_of(context.auth_context()).identity.id, vector, header), spec.session_id)
        return pb.PutReply(stored=True)

    async def Renew(self, request: pb.RenewRequest, context: Any) -> pb.RenewReply:
        identity = peer_of(context.auth_context()).identity
        issued = self.authority.issue(request.csr, identity, now=SystemClock().now())
        return pb.RenewReply(certificate=issued.certificate, ca=issued.ca)

    # What a test does

    def issue(self, site: str, *, lifetime: timedelta = timedelta(hours=1)) -> Credentials:
        """A certificate for an agent, as after its join."""
        request, identity = new_request(), Identity(self.authority.deployment, Role.AGENT, site)
        issued = self.authority.issue(request.csr, identity, now=SystemClock().now(), lifetime=lifetime)
        return Credentials(request.private_key, issued.certificate, issued.ca)

    def store(self, data: bytes) -> str:
        """Keep an artifact; its hash."""
        self.artifacts[digest(data)] = data
        return digest(data)

    def send(self, site: str, message: pb.CoordinatorMessage) -> None:
        self._streams[site].put_nowait(message)

    def cut(self, site: str) -> None:
        """End the agent's stream."""
        self._streams.pop(site).put_nowait(None)

    async def connected(self, holds: Callable[[], bool]) -> None:
        """Until `holds`, asked at every new stream."""
        async with asyncio.timeout(ANSWER):
            while not holds():
                self._arrived.clear()
                await self._arrived.wait()

    async def said(self, site: str, kind: str) -> Any:
        """The agent's next message of `kind`; earlier ones of other kinds are skipped."""
        async with asyncio.timeout(ANSWER):
            while True:
                message = await self.inbox[site].get()
                if message.WhichOneof("message") == kind:
                    return getattr(message, kind)

    async def sum(
        self, offer: SessionOffered, roster: Roster, *, lose: str = "", to: tuple[str, ...] | None = None
    ) -> SumResult:
        """Run one session; `lose`: a site whose vector is dropped. `to`: who is offered it, by default all.

        Raises:
            SumFailed: it was aborted.
        """
        spec = self._spec = SessionSpec.decode(offer.spec)
        machine, declined = CoordinatorSession(spec, roster), dict[str, str]()
        session = pb.SessionTask(spec=offer.spec, manifest=offer.manifest)
        message = pb.Offer(id=task_to_wire(offer.task), lease_seconds=offer.lease.total_seconds(), session=session)
        for site in to or spec.cohort:
            self.send(site, pb.CoordinatorMessage(offer=message))
        watchers = [asyncio.create_task(self._declines(site, declined)) for site in spec.cohort]
        self.events.put_nowait(Opened())
        try:
            async with asyncio.timeout(ANSWER):
                while True:
                    event = await self.events.get()
                    if isinstance(event, MaskedArrived) and event.site_id == lose:
                        event = SiteLost(lose)
                    result = self._apply(machine, event, declined)
                    if result is not None:
                        return result
        finally:
            for watcher in watchers:
                watcher.cancel()
            for site in to or spec.cohort:
                cancel = pb.Cancel(id=task_to_wire(offer.task), code="over")
                self.send(site, pb.CoordinatorMessage(cancel=cancel))

    async def _declines(self, site: str, declined: dict[str, str]) -> None:
        while True:
            message = await self.inbox[site].get()
            kind = message.WhichOneof("message")
            if kind in ("refused", "failed"):
                declined[site] = getattr(message, kind).code
                self.events.put_nowait(SiteLost(site))

    def _apply(
        self, machine: CoordinatorSession, event: CoordinatorEvent, declined: dict[str, str]
    ) -> SumResult | None:
        found = None
        for instruction in machine.handle(event):
            match instruction:
                case SendTo(site, message):
                    wire = session_message_to_wire(machine.spec.session_id, message)
                    self.send(site, pb.CoordinatorMessage(session=wire))
                case PersistSurvivors():
                    found = self._apply(machine, Persisted(), declined) or found
                case Completed(result):
                    found = result
                case Aborted(code, _):
                    raise SumFailed(code, declined)
                case _:
                    continue
        return found


@asynccontextmanager
async def small_coordinator() -> AsyncIterator[tuple[SmallCoordinator, str]]:
    """A running one and its address."""
    service = SmallCoordinator(Authority.create("test", now=SystemClock().now()))
    async with serving(service) as address:
        yield service, address


@asynccontextmanager
async def serving(service: SmallCoordinator) -> AsyncIterator[str]:
    """The address at which `service` answers."""

    def add(running: Any) -> None:
        agent_pb2_grpc.add_AgentServiceServicer_to_server(service, running)

    async with server(add, server_certificate(service.authority, SystemClock()), mutual=True) as address:
        yield address


def weights(value: float, size: int) -> bytes:
    """A model to broadcast."""
    return np.full(size, value, "<f4").tobytes()
