"""One session of the secure sum at one site: carries out what `SiteSession` asks for.

The protocol does no I/O; here are its hands. Key exchange runs while the child works, for neither needs the other. Two
points are durable before anything that depends on them leaves: the session id and the hash of the masked vector before
its first byte, and the release before the shares. A lost connection ends a session that was not masked yet; one that
was stays, because a coordinator that restarts asks for its shares again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from autoglm_agent.admission import Admitted
from autoglm_agent.children import Children
from autoglm_agent.contribution import Computations, Contribution
from autoglm_agent.ledger import Ledger
from autoglm_agent.line import Line
from autoglm_agent.outgoing import FailTask, SendInSession, UploadVector
from autoglm_agent.residuals import Residuals
from autoglm_agent.training_room import TrainingRoom
from autoglm_core.codes import RefusalCode, RefusedWith, code_of, refusal_of
from autoglm_core.privacy.bodies import Masked
from autoglm_core.privacy.errors import BadShare, IllegalEvent
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.site_events import (
    Abort,
    Aborted,
    Done,
    InputReady,
    Received,
    RecordRelease,
    Send,
    SiteEvent,
    SiteInstruction,
    Start,
    UploadMasked,
)
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.task import TaskId

LOG = logging.getLogger(__name__)
LARGEST_WAITING = 8 * 2**20
"""Bytes of messages that a session keeps until it comes to them; the longest honest one, a hundred sites' adverts, has
0.7 MB."""
_ENVELOPE = 512
"""Bytes of a message beside its body and signature, in memory."""


@dataclass(frozen=True)
class SiteTools:
    """What every session of a site works with. `watts`: of one busy core of its machine."""

    site_id: str
    key: SiteKey
    secret: bytes
    ledger: Ledger
    residuals: Residuals
    line: Line
    children: Children
    computations: Computations
    room_to_train: TrainingRoom
    data_path: Callable[[str], str]
    watts: float


class SessionRun:
    """Takes part in one session, from the accepted offer to its end."""

    def __init__(self, task: TaskId, lease: timedelta, session_id: bytes, tools: SiteTools) -> None:
        self.task = task
        self.session_id = session_id
        self._lease = lease
        self._tools = tools
        self._events: asyncio.Queue[SiteEvent] = asyncio.Queue()
        self._waiting = 0
        self._uploads: list[asyncio.Task[None]] = []
        self._ended = False

    @property
    def masked(self) -> bool:
        """Whether this site's vector left: shares may be asked for even after the connection was lost."""
        return bool(self._uploads)

    def put(self, event: SiteEvent) -> None:
        """Deliver an event; they are taken one by one, in order."""
        self._events.put_nowait(event)

    def receive(self, message: Message) -> None:
        """Deliver a message of the coordinator. One that sends faster than we can read ends our part."""
        if self._waiting > LARGEST_WAITING:
            return
        self._waiting += _held(message)
        self.put(Received(message) if self._waiting <= LARGEST_WAITING else Abort(str(RefusalCode.PROTOCOL_VIOLATION)))

    async def _next(self) -> SiteEvent:
        event = await self._events.get()
        if isinstance(event, Received):
            self._waiting -= _held(event.message)
        return event

    async def run(self, admitted: Admitted) -> None:
        """Until the session is over here.

        Raises:
            RefusedWith: the session machine refused spec or roster; nothing was drawn.
        """
        machine = self._open(admitted)
        self.put(Start())
        work = asyncio.create_task(self._contribute(admitted))
        try:
            async with asyncio.timeout(self._lease.total_seconds()):
                while not self._ended:
                    await self._step(machine, await self._next())
                await asyncio.gather(*self._uploads, return_exceptions=True)
        except TimeoutError:
            await self._give_up(machine, RefusalCode.LEASE_EXPIRED)
        finally:
            beside = (work, *self._uploads)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _open(self, admitted: Admitted) -> SiteSession:
        tools = self._tools
        try:
            return SiteSession(
                admitted.spec,
                admitted.roster,
                tools.site_id,
                tools.key,
                entropy=os.urandom,
                allow_unmasked=admitted.allow_unmasked,
                earlier=admitted.earlier,
            )
        except Exception as error:
            LOG.warning("session refused: %s", error)
            raise RefusedWith(refusal_of(error)) from error

    async def _step(self, machine: SiteSession, event: SiteEvent) -> None:
        try:
            instructions = await self._handle(machine, event)
            for instruction in instructions:
                await self._carry_out(instruction)
        except IllegalEvent as error:
            # Out of turn or twice: the state is as it was, and a peer's mistake must not end our part.
            LOG.info("session message ignored: %s", error)
        except Exception as error:
            LOG.warning("session given up: %s", error, exc_info=refusal_of(error) is RefusalCode.INTERNAL)
            await self._give_up(machine, refusal_of(error))

    async def _handle(self, machine: SiteSession, event: SiteEvent) -> list[SiteInstruction]:
        # Masking is milliseconds of cipher and numpy: it stays off the event loop, the rest is too short for a thread.
        if isinstance(event, InputReady) or (
            isinstance(event, Received) and event.message.kind is MessageKind.SHARES_FOR
        ):
            return await asyncio.to_thread(machine.handle, event)
        return machine.handle(event)

    async def _carry_out(self, instruction: SiteInstruction) -> None:
        match instruction:
            case Send(message):
                self._tools.line.send(SendInSession(self.session_id, message, self.task.study_id))
            case UploadMasked():
                await self._upload(instruction)
            case RecordRelease():
                await asyncio.to_thread(self._tools.ledger.record_release, instruction)
            case Done():
                await self._tools.computations.forget(self.task.study_id)
                self._ended = True
            case Aborted(code, data):
                # Only a dealer is accused: any other message that is wrong may have been changed on its way.
                accused = str(data["site"]) if code == BadShare.code else ""
                LOG.warning("session given up: %s %s", code, accused)
                self._end(code_of(code), accused=accused)

    def _end(self, code: RefusalCode, *, accused: str = "") -> None:
        """Our part is given up: whoever cancelled it knows, everyone else is told; a vector on its way is stopped."""
        self._ended = True
        for upload in self._uploads:
            upload.cancel()
        if code is not RefusalCode.CANCELLED:
            self._tools.line.send(FailTask(self.task, code, accused))

    async def _upload(self, instruction: UploadMasked) -> None:
        # The header names the vector's hash; egress compares it with the bytes before they leave.
        vector = Masked.decode(instruction.message.body).vector.hex()
        study_id = self.task.study_id
        await asyncio.to_thread(self._tools.ledger.use_session, self.session_id, study_id=study_id, vector=vector)
        upload = UploadVector(self.session_id, instruction.vector, instruction.message, study_id)
        self._uploads.append(asyncio.create_task(self._deliver(upload)))

    async def _deliver(self, message: UploadVector) -> None:
        try:
            await self._tools.line.upload(message)
        except RefusedWith as refusal:
            self.put(Abort(str(refusal.reason)))

    async def _contribute(self, admitted: Admitted) -> None:
        tools, spec = self._tools, admitted.spec
        contribution = Contribution(
            admitted,
            site_id=tools.site_id,
            secret=tools.secret,
            residuals=tools.residuals,
            ledger=tools.ledger,
            data=tools.data_path(admitted.study.data),
            watts=tools.watts,
            seconds=self._lease.total_seconds(),
        )
        child = tools.children.of_study(spec.study_id)
        try:
            reply = await tools.computations.result(
                spec.study_id,
                contribution.key,
                lambda: contribution.compute(tools.line, child, tools.room_to_train),
            )
            self.put(InputReady(await asyncio.to_thread(contribution.vector, reply)))
        except Exception as error:
            LOG.warning("no contribution to a %s session: %s", spec.purpose, error)
            self.put(Abort(str(refusal_of(error))))

    async def _give_up(self, machine: SiteSession, code: RefusalCode) -> None:
        if not self._ended:
            for instruction in machine.handle(Abort(str(code))):
                await self._carry_out(instruction)
        self._ended = True


def _held(message: Message) -> int:
    return len(message.body) + len(message.signature) + _ENVELOPE
