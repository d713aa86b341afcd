"""The agents' service: one stream each, artifacts down, masked vectors up, certificates renewed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

from autoglm_coordinator.federation.active_session import ActiveSession
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.receptions import Receptions
from autoglm_coordinator.federation.session_driver import SessionDriver
from autoglm_coordinator.federation.transport import AcknowledgeAudit, Declined, Probed
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.service.gate import Context, Gate
from autoglm_coordinator.service.stream import Grants, StreamLink
from autoglm_coordinator.service.wire import decode_audit_head, decode_check, decode_code, decode_facts
from autoglm_coordinator.store.api import DecisionRecord, Store
from autoglm_core.clock import Clock
from autoglm_core.errors import AutoglmError, InvalidInput, Kind, NotFound
from autoglm_core.identity import Role
from autoglm_core.privacy.coordinator_events import MaskedArrived, Received
from autoglm_core.privacy.keys import SitePublicKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_protos.convert import identifier_from_wire, session_message_from_wire
from autoglm_protos.enroll import PROTOCOL
from autoglm_protos.tls import CHUNK_BYTES
from autoglm_protos.v1 import agent_pb2, agent_pb2_grpc

LOG = logging.getLogger(__name__)
NO_SESSION = "no running session of that id takes a vector from this agent"
HEARTBEAT_SECONDS = 5
SILENT_SECONDS = 3 * HEARTBEAT_SECONDS
STALLED_SECONDS = 30
"""Without a chunk for so long, an upload loses its room to the next one."""


class NewerProtocol(InvalidInput):
    """An agent speaks a protocol that this coordinator does not know."""

    code = "newer-protocol"

    def __init__(self, *, agent: int, coordinator: int) -> None:
        super().__init__(
            f"the agent speaks protocol {agent}, this coordinator {coordinator}: upgrade the coordinator, "
            "or install the agent's version that belongs to it",
            agent=agent,
            coordinator=coordinator,
        )


class NoHello(InvalidInput):
    """A stream began with something else."""

    code = "no-hello"

    def __init__(self) -> None:
        super().__init__("the first message of a stream is hello")


class DamagedUpload(AutoglmError):
    """What arrived is not what was announced."""

    code = "damaged-upload"
    kind = Kind.INVALID

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"upload refused: {reason}; send it again", reason=reason)


class UploadStalled(AutoglmError):
    """An upload stood still."""

    code = "upload-stalled"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(f"no bytes of the upload came for {STALLED_SECONDS} s; send it again")


@dataclass(frozen=True)
class Deployment:
    """What a welcome tells: the deployment's name, this start's epoch, the public key that seals metrics."""

    name: str
    store_epoch: int
    study_key: bytes
    ca: bytes


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    """Served on the mutual-TLS port to agent certificates."""

    def __init__(
        self,
        *,
        gate: Gate,
        enrolment: Enrolment,
        fleet: Fleet,
        store: Store,
        driver: SessionDriver,
        receptions: Receptions,
        deployment: Deployment,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._enrolment = enrolment
        self._clock = clock
        self._fleet = fleet
        self._store = store
        self._driver = driver
        self._receptions = receptions
        self._deployment = deployment
        self._grants = Grants()

    async def Connect(
        self, request_iterator: AsyncIterator[agent_pb2.AgentMessage], context: Context
    ) -> AsyncIterator[agent_pb2.CoordinatorMessage]:
        """One agent's stream."""
        # Read before it is refused: a stream that is reset with a message unread may lose its status on the way.
        first = await anext(aiter(request_iterator), None)
        agent_id = self._gate.require(context, Role.AGENT).id
        if first is None or first.WhichOneof("message") != "hello":
            raise NoHello
        link = await self._greet(agent_id, first.hello)
        yield agent_pb2.CoordinatorMessage(welcome=await self._welcome())
        self._fleet.attach(link)
        reader = asyncio.create_task(self._read(link, request_iterator, context))
        try:
            async for message in link.outgoing():
                yield message
            if reader.done():
                reader.result()
        finally:
            reader.cancel()
            self._fleet.detach(link)

    async def _greet(self, agent_id: str, hello: agent_pb2.Hello) -> StreamLink:
        if hello.protocol > PROTOCOL:
            raise NewerProtocol(agent=hello.protocol, coordinator=PROTOCOL)
        record = await self._store.get_agent(agent_id)
        facts = decode_facts(agent_id, record.name, hello)
        await self._store.describe_agent(
            agent_id,
            {
                "kind": facts.kind,
                "device_class": facts.device_class,
                "data": [name for name, _ in facts.data],
                "version": facts.version,
                "host": facts.host_id,
            },
        )
        if hello.roster_hash:
            await self._accepted(agent_id, hello.roster_hash, simulated=hello.roster_simulated)
        return StreamLink(facts, self._grants)

    async def _accepted(self, agent_id: str, roster_hash: str, *, simulated: bool) -> None:
        known = await self._store.latest_roster()
        if known is not None and known.hash == roster_hash:
            await self._store.accept_roster(roster_hash, agent_id, self._clock.now(), simulated=simulated)
            self._fleet.notify()

    async def _welcome(self) -> agent_pb2.Welcome:
        roster = await self._store.latest_roster()
        welcome = agent_pb2.Welcome(
            protocol=PROTOCOL,
            deployment=self._deployment.name,
            store_epoch=self._deployment.store_epoch,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            study_key=self._deployment.study_key,
        )
        if roster is not None:
            welcome.roster.body = roster.body
        return welcome

    async def _read(self, link: StreamLink, messages: AsyncIterator[agent_pb2.AgentMessage], context: Context) -> None:
        """Until the agent goes, falls silent, or is revoked; then the writer ends too."""
        iterator = aiter(messages)
        try:
            while True:
                async with asyncio.timeout(SILENT_SECONDS):
                    message = await anext(iterator, None)
                if message is None:
                    return
                self._gate.require(context, Role.AGENT)
                await self._receive(link, message)
        except TimeoutError:
            LOG.warning("agent %s fell silent", link.facts.agent_id)
        finally:
            link.close()

    async def _receive(self, link: StreamLink, message: agent_pb2.AgentMessage) -> None:
        agent_id = link.facts.agent_id
        match message.WhichOneof("message"):
            case "session":
                session = self._session(message.session.session_id)
                if session is not None:
                    event = Received(agent_id, session_message_from_wire(message.session))
                    self._fleet.deliver(session.task.sequence, agent_id, event)
            case "probe":
                self._fleet.deliver(message.probe.id.sequence, agent_id, Probed(agent_id, message.probe.sealed))
            case "refused":
                refused = Declined(agent_id, decode_code(message.refused.code))
                self._fleet.deliver(message.refused.id.sequence, agent_id, refused)
            case "failed":
                accused = identifier_from_wire(message.failed.accused)
                failed = Declined(agent_id, decode_code(message.failed.code), accused)
                self._fleet.deliver(message.failed.id.sequence, agent_id, failed)
            case "check":
                check, answer = decode_check(agent_id, message.check)
                self._fleet.deliver(check, agent_id, answer)
            case _:
                await self._receive_notice(link, message)

    async def _receive_notice(self, link: StreamLink, message: agent_pb2.AgentMessage) -> None:
        agent_id = link.facts.agent_id
        match message.WhichOneof("message"):
            case "roster" if message.roster.accepted:
                await self._accepted(agent_id, message.roster.roster_hash, simulated=message.roster.simulated)
            case "decision":
                await self._decide(agent_id, message.decision)
            case "audit":
                await self._audit(link, message.audit)
            case _:
                return

    async def _site_key(self, agent_id: str) -> SitePublicKey:
        return SitePublicKey((await self._store.get_agent(agent_id)).site_key)

    async def _decide(self, agent_id: str, decision: agent_pb2.StudyDecision) -> None:
        study = await self._store.get_study(decision.study_id)
        word = "approved" if decision.approved else "denied"
        body = f"{study.hash}\n{word}".encode()
        (await self._site_key(agent_id)).verify("study-decision", body, decision.signature)
        code = decode_code(decision.code)
        record = DecisionRecord(decision.study_id, agent_id, decision.approved, code, bytes(decision.signature))
        await self._store.put_decision(record)
        self._fleet.notify()

    async def _audit(self, link: StreamLink, carried: agent_pb2.AuditHead) -> None:
        agent_id, head = link.facts.agent_id, decode_audit_head(carried)
        body = head.sequence.to_bytes(8, "big") + head.head
        (await self._site_key(agent_id)).verify("audit-head", body, head.signature)
        await self._store.put_audit_head(agent_id, head)
        link.send(AcknowledgeAudit(head.sequence))

    def _session(self, session_id: bytes) -> ActiveSession | None:
        # A message of a session that ended is late: dropped, not an error.
        return self._driver.active.get(bytes(session_id))

    async def Get(self, request: agent_pb2.GetRequest, context: Context) -> AsyncIterator[agent_pb2.GetChunk]:
        """An artifact that the agent was offered, from `offset`."""
        agent_id = self._gate.require(context, Role.AGENT).id
        served = self._grants.served(agent_id, request.study_id)
        found = None if served is None else served.open(request.sha256, request.offset)
        if found is not None:
            file, total = found
            async for chunk in _chunks(file, total):
                yield chunk
            return
        sequence = self._grants.check(agent_id, request.sha256)
        file, total = self._store.open_artifact(request.sha256, request.offset)
        with file:
            yield agent_pb2.GetChunk(total=total)
            # Not in a thread: a chunk of a file that was just written comes from memory, faster than a thread wakes.
            while data := file.read(CHUNK_BYTES):
                self._driver.fetched(sequence, len(data))
                yield agent_pb2.GetChunk(data=data)

    async def Put(self, request_iterator: AsyncIterator[agent_pb2.PutChunk], context: Context) -> agent_pb2.PutReply:
        """A masked vector. It lives in memory only, is checked against its announced hash, and is added to the sum.

        What follows the first chunk is asked for, by the call's initial metadata, when there is room for the vector;
        the room is free again when the vector is in the sum.
        """
        agent_id = self._gate.require(context, Role.AGENT).id
        chunks = aiter(request_iterator)
        first = await anext(chunks, None)
        if first is None:
            raise NotFound(NO_SESSION)
        size = self._taking(first, agent_id).spec.layout.byte_size
        async with self._receptions.room(size, sender=(bytes(first.session_id), agent_id)):
            session = self._taking(first, agent_id)  # it may have ended meanwhile
            await context.send_initial_metadata(())
            return agent_pb2.PutReply(stored=await _receive_vector(session, agent_id, first, chunks))

    def _taking(self, first: agent_pb2.PutChunk, agent_id: str) -> ActiveSession:
        session = self._session(first.session_id)
        if session is None or agent_id not in session.spec.cohort:
            raise NotFound(NO_SESSION)
        return session

    async def Renew(self, request: agent_pb2.RenewRequest, context: Context) -> agent_pb2.RenewReply:
        """A new certificate for the identity of the old one."""
        identity = self._gate.require(context, Role.AGENT)
        issued = await self._enrolment.renew(identity, request.csr)
        return agent_pb2.RenewReply(certificate=issued.certificate, ca=self._deployment.ca)


async def _chunks(file: BinaryIO, total: int) -> AsyncIterator[agent_pb2.GetChunk]:
    """A model's file, read in a thread: unlike an artifact it lies on disk."""
    with file:
        yield agent_pb2.GetChunk(total=total)
        while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield agent_pb2.GetChunk(data=data)


async def _receive_vector(
    session: ActiveSession, agent_id: str, first: agent_pb2.PutChunk, chunks: AsyncIterator[agent_pb2.PutChunk]
) -> bool:
    """Returns when the vector's memory is free again; whether the session still took it."""
    image = await _receive_image(first, chunks, session.spec.layout.byte_size)
    vector = MaskedVector.from_bytes(session.spec.layout, image)
    vector = MaskedVector(body=vector.body, tail=vector.tail, known_sha256=first.sha256)
    message = Message(MessageKind.MASKED, bytes(first.header), bytes(first.signature))
    return await session.take(MaskedArrived(agent_id, vector, message))


async def _receive_image(
    first: agent_pb2.PutChunk, chunks: AsyncIterator[agent_pb2.PutChunk], expected: int
) -> bytearray:
    """The announced bytes, no more and no fewer; memory is bounded by what the session's layout allows."""
    if first.total != expected:
        raise DamagedUpload(reason=f"{first.total} bytes announced, the session's layout has {expected}")
    image = bytearray(expected)
    state = hashlib.sha256()
    position = 0
    chunk: agent_pb2.PutChunk | None = first
    while chunk is not None:
        data = chunk.data  # a copy at each access
        if not data and chunk is not first:
            # The room that an upload has is not held for nothing.
            raise DamagedUpload(reason="an empty chunk")
        end = position + len(data)
        if end > expected:
            raise DamagedUpload(reason="more bytes than announced")
        image[position:end] = data
        state.update(data)
        position = end
        chunk = await _next(chunks)
    if position != expected or state.hexdigest() != first.sha256:
        raise DamagedUpload(reason="bytes are missing or changed")
    return image


async def _next(chunks: AsyncIterator[agent_pb2.PutChunk]) -> agent_pb2.PutChunk | None:
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            return await anext(chunks, None)
    except TimeoutError:
        raise UploadStalled from None
