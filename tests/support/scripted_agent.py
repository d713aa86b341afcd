"""An agent as a test wants it: it dials a real coordinator, agrees to everything, and then does what the script says.

It has a certificate and a site key like any other, and no rows: every lane of what it contributes is `LANE`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import numpy as np

from autoglm_core.canonical import digest
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import Purpose, SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector, MaskedVector
from autoglm_protos.convert import session_message_from_wire, session_message_to_wire
from autoglm_protos.enroll import PROTOCOL, Enrolled
from autoglm_protos.errors import translate
from autoglm_protos.tls import open_channel
from autoglm_protos.v1 import agent_pb2 as pb
from autoglm_protos.v1.agent_pb2_grpc import AgentServiceStub

LANE = 60


@dataclass
class Part:
    """One session as this agent takes part in it."""

    task: pb.TaskId
    spec: SessionSpec
    machine: SiteSession


@dataclass
class ScriptedAgent:
    """Honest but in training sessions of `target`, a study's name.

    `tamper`: what becomes of a message before it leaves there, None for not sent. `upload`: what it does there instead
    of delivering its vector.
    """

    enrolled: Enrolled
    key: SiteKey
    data: tuple[str, str]
    target: str = ""
    tamper: Callable[[Message], Message | None] = lambda message: message
    upload: Callable[[ScriptedAgent, Part, at_site.UploadMasked], Coroutine[Any, Any, None]] | None = None
    roster: Roster | None = None
    attacked: asyncio.Queue[Part] = field(default_factory=asyncio.Queue)
    """Training sessions of the target, as they are offered."""
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _out: asyncio.Queue[pb.AgentMessage] = field(default_factory=asyncio.Queue)
    _parts: dict[bytes, Part] = field(default_factory=dict)
    _stub: Any = None
    _tasks: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)

    @property
    def id(self) -> str:
        """As in its certificate."""
        return self.enrolled.id

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Its stream is open and welcomed; it answers while the context lasts."""
        async with open_channel(self.enrolled.address, self.enrolled.credentials) as channel:
            self._stub = AgentServiceStub(channel)
            data = [pb.DataDeclared(name=self.data[0], workload=self.data[1])]
            hello = pb.Hello(protocol=PROTOCOL, version="1", kind=pb.AGENT_KIND_SITE, host_id=self.id, data=data)
            self.say(hello=hello)
            incoming = aiter(self._stub.Connect(self._outgoing()))
            await self._take(await anext(incoming))
            # One of its tasks that fails ends the test: nobody waits for what will not come.
            async with asyncio.TaskGroup() as self._tasks:
                reader = self._tasks.create_task(self._read(incoming))
                yield
                reader.cancel()

    def say(self, **message: Any) -> None:
        """Put one message on the stream."""
        self._out.put_nowait(pb.AgentMessage(**message))

    async def heard_out(self) -> None:
        """Until the coordinator has taken everything that was said on the stream so far."""
        self._heard.clear()
        head, sequence = bytes(32), 1
        signature = self.key.sign("audit-head", sequence.to_bytes(8, "big") + head)
        self.say(audit=pb.AuditHead(sequence=sequence, head=head, signature=signature))
        await self._heard.wait()

    async def _outgoing(self) -> AsyncIterator[pb.AgentMessage]:
        while True:
            yield await self._out.get()

    async def _read(self, incoming: AsyncIterator[pb.CoordinatorMessage]) -> None:
        async for message in incoming:
            await self._take(message)

    async def _take(self, message: pb.CoordinatorMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome" if message.welcome.roster.body:
                self._agree(message.welcome.roster.body)
            case "roster":
                self._agree(message.roster.body)
            case "study":
                self._approve(message.study)
            case "offer":
                await self._begin(message.offer)
            case "audit":
                self._heard.set()
            case "session":
                part = self._parts[message.session.session_id]
                await self._tell(part, at_site.Received(session_message_from_wire(message.session)))

    def _agree(self, body: bytes) -> None:
        self.roster = Roster.decode(body)
        self.say(roster=pb.RosterDecision(roster_hash=self.roster.hash, accepted=True))

    def _approve(self, study: pb.StudyOffer) -> None:
        body_hash = digest(study.study)
        signature = self.key.sign("study-decision", f"{body_hash}\napproved".encode())
        yes = pb.StudyDecision(
            study_id=study.study_id, study_hash=body_hash, approved=True, code="ok", signature=signature
        )
        self.say(decision=yes)

    async def _begin(self, offer: pb.Offer) -> None:
        assert self.roster is not None
        spec = SessionSpec.decode(offer.session.spec)
        part = Part(offer.id, spec, SiteSession(spec, self.roster, self.id, self.key, entropy=os.urandom))
        self._parts[spec.session_id] = part
        if self._crooked(part):
            self.attacked.put_nowait(part)
        await self._tell(part, at_site.Start())
        body = np.zeros(spec.layout.body, spec.layout.body_dtype)
        vector = ClearVector(body=body, tail=np.full(spec.layout.tail, LANE, "<u8"))
        await self._tell(part, at_site.InputReady(vector))

    async def _tell(self, part: Part, event: at_site.SiteEvent) -> None:
        crooked = self._crooked(part)
        for instruction in part.machine.handle(event):
            match instruction:
                case at_site.Send(message):
                    sent = self.tamper(message) if crooked else message
                    if sent is not None:
                        self.send(part, sent)
                case at_site.UploadMasked() if crooked and self.upload is not None:
                    self._tasks.create_task(self.upload(self, part, instruction))
                case at_site.UploadMasked(vector, header):
                    await self.put(part.spec.session_id, vector, header)

    def _crooked(self, part: Part) -> bool:
        return part.spec.purpose is Purpose.TRAIN and part.spec.study_id.startswith(f"{self.target}-")

    def send(self, part: Part, message: Message) -> None:
        """Say something in a session."""
        self.say(session=session_message_to_wire(part.spec.session_id, message))

    async def put(self, session_id: bytes, vector: MaskedVector, header: Message) -> bool:
        """Deliver a vector; whether it was taken.

        Raises:
            AutoglmError: refused.
        """
        assert header.kind is MessageKind.MASKED
        image = vector.to_bytes()
        chunk = pb.PutChunk(
            session_id=session_id,
            sha256=vector.sha256,
            total=len(image),
            data=image,
            signature=header.signature,
            header=header.body,
        )
        try:
            reply = await self._stub.Put(iter([chunk]))
        except grpc.aio.AioRpcError as failure:
            raise translate(failure) from failure
        return bool(reply.stored)

    async def get(self, sha256: str, *, study_id: str) -> bytes:
        """Fetch an artifact.

        Raises:
            AutoglmError: refused.
        """
        request = pb.GetRequest(sha256=sha256, study_id=study_id)
        try:
            return b"".join([chunk.data async for chunk in self._stub.Get(request)])
        except grpc.aio.AioRpcError as failure:
            raise translate(failure) from failure
