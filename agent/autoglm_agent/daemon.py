"""The agent: one stream, its tasks, its children, and a socket for its administrator.

    stream -> Agent -> decisions (studies, rosters)      tasks (sessions, probes) -> line -> egress -> stream

On SIGTERM no new task is taken and those that run get a few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from autoglm_agent.audit import AuditLog, Head
from autoglm_agent.children import Children
from autoglm_agent.config import AgentConfig
from autoglm_agent.contribution import Computations
from autoglm_agent.decisions import Decisions
from autoglm_agent.egress import Egress
from autoglm_agent.errors import UnknownStudy
from autoglm_agent.files import write_durable
from autoglm_agent.incoming import (
    AuditKept,
    CheckAsked,
    Incoming,
    ProbeOffered,
    RosterOffered,
    SessionOffered,
    SessionReceived,
    StudyOffered,
    StudyOver,
    TaskCancelled,
    Welcome,
)
from autoglm_agent.ledger import Ledger, StudyState
from autoglm_agent.line import Line
from autoglm_agent.local import listening
from autoglm_agent.model_delivery import ModelDelivery
from autoglm_agent.outgoing import AuditHead, SayHello
from autoglm_agent.probe import DeviceTools
from autoglm_agent.residuals import Residuals
from autoglm_agent.session import SiteTools
from autoglm_agent.state import StateFolder
from autoglm_agent.stream import Stream
from autoglm_agent.tasks import Tasks
from autoglm_agent.training_room import TrainingRoom
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.codes import RefusalCode
from autoglm_core.task import TaskId
from autoglm_protos.host import SystemClock, host_id

LOG = logging.getLogger(__name__)
DRAIN = timedelta(seconds=5)
AUDIT_INTERVAL = timedelta(seconds=10)
MOST_NOTICES = 64
"""Offered studies and dry runs in work at one time; the stream waits while there are as many."""


class Agent:
    """One joined agent. `async with` opens its state, `run` lasts until it is told to stop or refused for good.

    Raises:
        NotJoined, StateDamaged, AlreadyRunning: on entry.
    """

    def __init__(self, config: AgentConfig, *, connected: Callable[[str], None] = lambda _: None) -> None:
        self._config = config
        self._connected = connected
        self._stack = AsyncExitStack()
        self._study_key = b""
        self._notices: set[asyncio.Task[None]] = set()
        self._free_notices = asyncio.Semaphore(MOST_NOTICES)
        self._signed_head: AuditHead | None = None

    async def __aenter__(self) -> Agent:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        config, state = self._config, StateFolder(self._config.state)
        self._state, self._identity = state, state.identity()
        self._stack.callback(state.lock().release)
        self._key = state.site_key()
        self._ledger = Ledger(state.ledger)
        self._stack.callback(self._ledger.close)
        self._audit = AuditLog(state.audit)
        self._stack.callback(self._audit.close)
        self._line = Line(egress := Egress(self._audit))
        self._children = Children(config, crash_log=state.path / "child-crash.log")
        self._stack.push_async_callback(self._children.close)
        self._decisions = Decisions(
            config,
            self._identity.agent_id,
            self._key,
            self._ledger,
            self._line,
            self._children,
            ModelDelivery(self._line),
        )
        self._residuals = self._open_residuals(state)
        self._tasks = self._make_tasks(config, state)
        self._stream = Stream(
            state=state,
            address=config.address,
            proxy=config.proxy,
            line=self._line,
            egress=egress,
            listener=self,
            clock=SystemClock(),
            connected=self._connected,
        )
        await self._stack.enter_async_context(listening(state.socket, self._asked))

    def _open_residuals(self, state: StateFolder) -> Residuals:
        residuals = Residuals(state.residuals)
        # A study may have been withdrawn while no daemon ran.
        residuals.forget_all_but(
            [entry.study_id for entry in self._ledger.studies() if entry.state is StudyState.APPROVED]
        )
        return residuals

    def _make_tasks(self, config: AgentConfig, state: StateFolder) -> Tasks:
        agent_id, site, device = self._identity.agent_id, None, None
        if config.device is not None:
            device = DeviceTools(agent_id, self._key, config.device, self._ledger, self._line, self._children)
        else:
            computations = Computations()
            self._stack.push_async_callback(computations.close)
            site = SiteTools(
                site_id=agent_id,
                key=self._key,
                secret=state.site_secret(),
                ledger=self._ledger,
                residuals=self._residuals,
                line=self._line,
                children=self._children,
                computations=computations,
                room_to_train=TrainingRoom(config.limits.memory_bytes),
                data_path=lambda name: str(config.data[name].path),
                watts=config.limits.watts,
            )
        return Tasks(config, ledger=self._ledger, line=self._line, site=site, device=device)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain.

        Raises:
            RemoteError: the coordinator refused this agent for good.
        """
        stream, heads = asyncio.create_task(self._stream.run()), asyncio.create_task(self._send_heads())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((stream, stopped), return_when=asyncio.FIRST_COMPLETED)
            if stream.done():
                stream.result()
            await self._tasks.drain(DRAIN)
            await self._send_head()
        finally:
            beside = (stream, heads, stopped, *self._notices)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    # The stream's listener

    def hello(self) -> SayHello:
        """Who this is, as the ledger has it now."""
        config, accepted, head = self._config, self._ledger.accepted_roster(), self._audit.head
        return SayHello(
            version=version("autoglm"),
            device_class="" if config.device is None else config.device.device_class,
            host_id=host_id(),
            data=tuple((source.name, source.workload) for source in config.data.values()),
            roster_hash="" if accepted is None else accepted.hash,
            roster_simulated=accepted is not None and accepted.simulated,
            store_epoch=self._ledger.store_epoch(),
            audit_sequence=head.sequence,
            audit_head=head.head,
        )

    async def welcomed(self, welcome: Welcome) -> None:
        """Keep what a new stream begins with."""
        self._study_key = welcome.study_key
        await asyncio.to_thread(self._ledger.raise_store_epoch, welcome.store_epoch)
        if welcome.roster:
            await self._decisions.roster_offered(welcome.roster)

    async def receive(self, message: Incoming) -> None:
        """Tasks run by themselves; decisions that read data run beside the stream."""
        match message:
            case SessionReceived():
                self._tasks.deliver(message)
            case SessionOffered():
                self._tasks.offer_session(message)
            case ProbeOffered():
                self._tasks.offer_probe(message, study_key=self._study_key)
            case TaskCancelled(task):
                self._tasks.cancel(task)
            case _:
                await self._receive_notice(message)

    async def _receive_notice(self, message: Incoming) -> None:
        match message:
            case RosterOffered(body):
                await self._decisions.roster_offered(body)
            case StudyOffered():
                await self._beside(lambda: self._decisions.study_offered(message))
            case CheckAsked():
                await self._beside(lambda: self._decisions.check_asked(message))
            case StudyOver(study_id):
                await self._study_over(study_id)
            case AuditKept(sequence):
                await self._audit_kept(sequence)
            case _:
                LOG.info("the coordinator says: %s", type(message).__name__)

    def lost(self) -> None:
        """The stream ended."""
        LOG.warning("the connection to the coordinator ended")
        self._tasks.connection_lost()

    def running(self) -> tuple[TaskId, ...]:
        """Tasks in work."""
        return self._tasks.running()

    async def _beside(self, notice: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await self._free_notices.acquire()
        task = asyncio.create_task(notice())
        self._notices.add(task)
        task.add_done_callback(self._noticed)

    def _noticed(self, task: asyncio.Task[None]) -> None:
        self._notices.discard(task)
        self._free_notices.release()

    async def _study_over(self, study_id: str) -> None:
        with contextlib.suppress(UnknownStudy):
            await asyncio.to_thread(self._ledger.decide, study_id, StudyState.ENDED)
        self._tasks.cancel_study(study_id)
        await self._forget(study_id)

    async def _forget(self, study_id: str) -> None:
        """Neither the rows of a study that is over stay in memory, nor its residuals on disk."""
        await self._children.forget(study_id)
        await asyncio.to_thread(self._residuals.forget, study_id)

    # The audit log's head

    async def _send_heads(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_INTERVAL.total_seconds())
            await self._send_head()

    async def _send_head(self) -> None:
        known = self._signed_head
        if not self._line.connected or (known is not None and known.sequence == self._audit.head.sequence):
            return
        head: Head = await asyncio.to_thread(self._audit.flush)
        self._signed_head = AuditHead(head.sequence, head.head, head.sign(self._key))
        self._line.send(self._signed_head)

    async def _audit_kept(self, sequence: int) -> None:
        """Remember the newest head that both sides hold: a log that is shorter was cut."""
        head = self._signed_head
        if head is not None and head.sequence == sequence:
            value = {"sequence": sequence, "head": head.head, "signature": head.signature.hex()}
            await asyncio.to_thread(write_durable, self._state.kept_head, canonical_json(value))

    # The administrator

    async def _asked(self, request: Json) -> Json:
        match request.get("verb"):
            case "status":
                return self._status()
            case "roster":
                await self._decisions.tell_roster()
                return {"told": self._line.connected}
            case "decided":
                return await self._decided(str(request.get("study")))
            case _:
                return {"error": "unknown verb"}

    def _status(self) -> Json:
        return {
            "agent_id": self._identity.agent_id,
            "address": self._identity.address,
            "connected": self._line.connected,
            "tasks": self._tasks.shown(),
            "preparing": self._decisions.shown(),
        }

    async def _decided(self, study_id: str) -> Json:
        entry = await asyncio.to_thread(self._ledger.study, study_id)
        if entry.state is not StudyState.APPROVED:
            self._tasks.cancel_study(study_id, entry.code)
            await self._forget(study_id)
        code = await self._decisions.tell_study(entry)
        return {
            "code": str(code if code is not RefusalCode.WOULD_ASK else RefusalCode.OK),
            "told": self._line.connected,
        }
