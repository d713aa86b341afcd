"""The tasks that an agent works on: taken or refused, found by sequence or session id, cancelled, drained."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from autoglm_agent.admission import admit
from autoglm_agent.config import AgentConfig
from autoglm_agent.incoming import ProbeOffered, SessionOffered, SessionReceived
from autoglm_agent.ledger import Ledger
from autoglm_agent.line import Line
from autoglm_agent.outgoing import AcceptTask, FailTask, RefuseTask
from autoglm_agent.probe import DeviceTools, probe
from autoglm_agent.session import SessionRun, SiteTools
from autoglm_core.canonical import Json
from autoglm_core.codes import RefusalCode, RefusedWith, refusal_of
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_events import Abort
from autoglm_core.task import TaskId

LOG = logging.getLogger(__name__)
MOST_SESSIONS = 16
"""Sessions at one time, those included that only wait for a coordinator that went away."""


class Step(StrEnum):
    """How far a task is at this agent."""

    AT_WORK = "at-work"
    SENT = "sent"
    """The masked vector left; the task waits for the others and the unmasking."""


@dataclass
class _Running:
    task: TaskId
    work: asyncio.Task[None]
    purpose: str
    session: SessionRun | None = None

    @property
    def step(self) -> Step:
        return Step.SENT if self.session is not None and self.session.masked else Step.AT_WORK


class Tasks:
    """`site` is None on a device, `device` at a site."""

    def __init__(
        self, config: AgentConfig, *, ledger: Ledger, line: Line, site: SiteTools | None, device: DeviceTools | None
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._line = line
        self._site = site
        self._device = device
        self._running: dict[int, _Running] = {}
        self._by_session: dict[bytes, _Running] = {}
        self._draining = False

    def running(self) -> tuple[TaskId, ...]:
        """Tasks in work."""
        return tuple(entry.task for entry in self._running.values())

    def shown(self) -> list[Json]:
        """Tasks in work as `status` shows them."""
        return [
            {"study": entry.task.study_id, "round": entry.task.round, "work": entry.purpose, "step": entry.step}
            for entry in self._running.values()
        ]

    def offer_session(self, offer: SessionOffered) -> None:
        """Begin a session, or refuse it; the answer goes out by itself."""
        if offer.task.sequence in self._running:
            return
        try:
            spec = SessionSpec.decode(offer.spec)
            self._require_free()
            if self._site is None:
                raise RefusedWith(RefusalCode.UNKNOWN_DATA)
            if spec.session_id in self._by_session:
                raise RefusedWith(RefusalCode.SESSION_REUSED)
        except (Malformed, RefusedWith) as error:
            self._line.send(RefuseTask(offer.task, refusal_of(error)))
            return
        # Known before the first await: the coordinator's next message may already be for this session.
        run = SessionRun(offer.task, offer.lease, spec.session_id, self._site)
        entry = self._begin(offer.task, self._take_part(offer, spec, run), purpose=spec.purpose, session=run)
        self._by_session[spec.session_id] = entry

    async def _take_part(self, offer: SessionOffered, spec: SessionSpec, run: SessionRun) -> None:
        try:
            admitted = await asyncio.to_thread(admit, offer, spec, ledger=self._ledger, config=self._config)
            self._line.send(AcceptTask(offer.task))
            await run.run(admitted)
        except Exception as error:
            self._refuse(offer.task, error)
        finally:
            del self._by_session[spec.session_id]

    def offer_probe(self, offer: ProbeOffered, *, study_key: bytes) -> None:
        """Begin a measurement, or refuse it. A device does one thing at a time."""
        if offer.task.sequence in self._running:
            return
        try:
            self._require_free()
            if self._device is None:
                raise RefusedWith(RefusalCode.UNKNOWN_DEVICE_CLASS)
            if self._running:
                raise RefusedWith(RefusalCode.BUSY)
        except RefusedWith as refusal:
            self._line.send(RefuseTask(offer.task, refusal.reason))
            return
        self._begin(offer.task, self._measure(offer, self._device, study_key), purpose="probe")

    async def _measure(self, offer: ProbeOffered, tools: DeviceTools, study_key: bytes) -> None:
        try:
            self._line.send(AcceptTask(offer.task))
            async with asyncio.timeout(offer.lease.total_seconds()):
                self._line.send(await probe(offer, tools, study_key=study_key))
        except Exception as error:
            LOG.warning("a probe failed: %s", error)
            self._line.send(FailTask(offer.task, refusal_of(error)))

    def deliver(self, received: SessionReceived) -> None:
        """A message of a session; one of a session that is over is late, and dropped."""
        entry = self._by_session.get(received.session_id)
        if entry is not None and entry.session is not None:
            entry.session.receive(received.message)

    def cancel(self, task: TaskId) -> None:
        """Give a task up without a word: whoever cancelled it knows."""
        entry = self._running.get(task.sequence)
        if entry is not None and entry.task == task:
            self._give_up(entry, RefusalCode.CANCELLED)

    def cancel_study(self, study_id: str, code: RefusalCode = RefusalCode.CANCELLED) -> None:
        """Give up everything of a study; any `code` but `cancelled` is told, or the coordinator would wait in vain."""
        for entry in list(self._running.values()):
            if entry.task.study_id == study_id:
                self._give_up(entry, code)

    def _give_up(self, entry: _Running, code: RefusalCode) -> None:
        if entry.session is not None:
            entry.session.put(Abort(str(code)))
            return
        entry.work.cancel()
        if code is not RefusalCode.CANCELLED:
            self._line.send(FailTask(entry.task, code))

    def connection_lost(self) -> None:
        """Sessions whose vector left stay, for their shares may be asked for again; all else is void."""
        for entry in list(self._running.values()):
            if entry.session is None or not entry.session.masked:
                self.cancel(entry.task)

    async def drain(self, grace: timedelta) -> None:
        """Take nothing more; give what runs `grace` to end, then stop it."""
        self._draining = True
        works = [entry.work for entry in self._running.values()]
        if works:
            await asyncio.wait(works, timeout=grace.total_seconds())
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def _begin(
        self, task: TaskId, work: Coroutine[Any, Any, None], *, purpose: str, session: SessionRun | None = None
    ) -> _Running:
        running = asyncio.create_task(work)
        entry = self._running[task.sequence] = _Running(task, running, purpose, session)
        running.add_done_callback(lambda _: self._running.pop(task.sequence, None))
        return entry

    def _refuse(self, task: TaskId, error: Exception) -> None:
        code = refusal_of(error)
        LOG.warning("a session was refused: %s", error, exc_info=code is RefusalCode.INTERNAL)
        self._line.send(RefuseTask(task, code))

    def _require_free(self) -> None:
        hours = self._config.limits.hours
        if self._draining:
            raise RefusedWith(RefusalCode.DRAINING)
        if hours is not None and not hours.open_at(datetime.now().astimezone().time()):
            raise RefusedWith(RefusalCode.OUT_OF_HOURS)
        if len(self._running) >= MOST_SESSIONS:
            self._let_go_of_oldest()

    def _let_go_of_oldest(self) -> None:
        """Make room: a session that only waits for its shares to be asked for may have waited in vain.

        Raises:
            RefusedWith: `busy`: every session is still at work.
        """
        waiting = [entry.task for entry in self._running.values() if entry.session is not None and entry.session.masked]
        if not waiting:
            raise RefusedWith(RefusalCode.BUSY)
        self.cancel(min(waiting, key=lambda task: task.sequence))
