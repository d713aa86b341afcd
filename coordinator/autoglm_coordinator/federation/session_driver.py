"""Runs one session of the secure sum over connected agents.

The protocol is `CoordinatorSession`, which does no I/O; this module carries its instructions out: it sends, makes the
durable points of a session durable before going on, and turns silence into `SiteLost` and `Deadline`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from autoglm_coordinator.federation.fleet import Fleet, Inbox
from autoglm_coordinator.federation.transport import AgentLost, CancelTask, Declined, OfferSession, SessionSend
from autoglm_coordinator.store.api import SessionRecord, Store
from autoglm_core.codes import RefusalCode
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.privacy.coordinator_events import (
    Aborted,
    Blamed,
    Completed,
    CoordinatorEvent,
    CoordinatorInstruction,
    Deadline,
    MaskedArrived,
    Opened,
    Persisted,
    PersistShare,
    PersistSurvivors,
    Received,
    SendTo,
    SiteLost,
    SumResult,
)
from autoglm_core.privacy.coordinator_session import CoordinatorSession, Phase
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_core.task import Manifest, TaskId

LOG = logging.getLogger(__name__)
LASTING = frozenset({RefusalCode.DIVERGED, RefusalCode.NON_FINITE})
"""Training is a function of model, rows and seed: where it left the finite numbers, it does so again."""


class SessionFailed(AutoglmError):
    """A session ended without a sum. `declined`: codes that agents gave, by how often.

    `lasting`: one of them says that the same work would end alike, so that a new session cannot pass.
    """

    code = "session-failed"
    kind = Kind.ABORTED

    def __init__(self, *, purpose: str, reason: str, declined: str = "", lasting: bool = False) -> None:
        told = f"; agents said: {declined}" if declined else ""
        data = {"declined": declined} if declined else {}
        super().__init__(
            f"a {purpose} session ended without a sum: {reason}{told}", purpose=purpose, reason=reason, **data
        )
        self.reason = reason
        self.declined = declined
        self.lasting = lasting


@dataclass(frozen=True)
class Deadlines:
    """How long the whole cohort may take: to train (the offer's lease), and for each answer of the protocol."""

    work: timedelta = timedelta(minutes=10)
    answer: timedelta = timedelta(seconds=30)

    def of(self, phase: Phase) -> float:
        """Seconds for `phase`."""
        return (self.work if phase is Phase.MASK else self.answer).total_seconds()


class ActiveSession:
    """A session while it runs: its machine, its inbox and what agents answered."""

    def __init__(
        self,
        machine: CoordinatorSession,
        task: TaskId,
        inbox: Inbox,
        *,
        fleet: Fleet,
        store: Store,
        deadlines: Deadlines,
    ) -> None:
        self.spec = machine.spec
        self.task = task
        self.inbox = inbox
        self._machine = machine
        self._fleet = fleet
        self._store = store
        self._deadlines = deadlines
        self.seconds: dict[str, float] = {}
        """Wall time by phase."""
        self._declined: dict[str, str] = {}
        self._result: SumResult | None = None

    async def run(self, offer: OfferSession | None) -> SumResult:
        """Offer (None: it was, before a restart), answer, and wait until there is a sum.

        Raises:
            SessionFailed: too few sites stayed, or one of the protocol's aborts.
        """
        await self._apply(Opened())
        for site in self.spec.cohort:
            link = self._fleet.link(site)
            if link is None:
                await self._apply(SiteLost(site))
            elif offer is not None:
                link.send(offer)
        loop = asyncio.get_running_loop()
        while self._result is None:
            phase, begun = self._machine.phase, loop.time()
            await self._step()
            self.seconds[str(phase)] = self.seconds.get(str(phase), 0.0) + loop.time() - begun
        return self._result

    async def _step(self) -> None:
        phase = self._machine.phase
        until = asyncio.get_running_loop().time() + self._deadlines.of(phase)
        while self._result is None and self._machine.phase is phase:
            event = await self.inbox.get(until)
            await self._apply(Deadline() if event is None else self._translate(event))

    def _translate(self, event: object) -> CoordinatorEvent:
        match event:
            case AgentLost(agent_id=site):
                return SiteLost(site)
            case Declined(agent_id=site, code=code):
                self._declined[site] = code
                return SiteLost(site)
            case _:
                return event  # type: ignore[return-value]  # the service delivers events of this union alone

    async def _apply(self, event: CoordinatorEvent) -> None:
        for instruction in await self._handle(event):
            await self._carry_out(instruction)

    async def _handle(self, event: CoordinatorEvent) -> list[CoordinatorInstruction]:
        try:
            # Adding a vector and removing masks are milliseconds of numpy: they stay off the event loop. All else is
            # shorter than a thread takes to wake.
            if isinstance(event, MaskedArrived) or _may_complete(event):
                return await asyncio.to_thread(self._machine.handle, event)
            return self._machine.handle(event)
        except AutoglmError as error:
            if not isinstance(event, Received | MaskedArrived):
                raise
            # The machine is unchanged. Whoever breaks the protocol is out of this session; the others go on.
            LOG.warning("session %s: site %s: %s", self.spec.session_id.hex()[:12], event.site_id, error.code)
            return await asyncio.to_thread(self._machine.handle, SiteLost(event.site_id))

    async def _carry_out(self, instruction: CoordinatorInstruction) -> None:
        match instruction:
            case SendTo(site_id=site, message=message):
                link = self._fleet.link(site)
                if link is not None:
                    link.send(SessionSend(self.spec.session_id, message))
            case PersistSurvivors():
                await self._persist(instruction)
                await self._apply(Persisted())
            case PersistShare(site_id=site, message=message):
                await self._store.put_unmask_share(self.spec.session_id, site, message.encode())
            case Blamed(site_id=site, code=code):
                LOG.warning("session %s: site %s is to blame: %s", self.spec.session_id.hex()[:12], site, code)
            case Completed(result=result):
                self._result = result
            case Aborted(code=code):
                raise self._failed(code)

    async def _persist(self, point: PersistSurvivors) -> None:
        await self._store.put_survivors(
            self.spec.session_id,
            spec=self.spec.encode(),
            survivors=point.survivors,
            running_sum=point.running_sum.to_bytes(),
            record=point.record,
        )

    def _failed(self, reason: str) -> SessionFailed:
        counts: dict[str, int] = {}
        for code in self._declined.values():
            counts[code] = counts.get(code, 0) + 1
        told = ", ".join(f"{code} x{count}" for code, count in sorted(counts.items()))
        lasting = not LASTING.isdisjoint(self._declined.values())
        return SessionFailed(purpose=str(self.spec.purpose), reason=reason, declined=told, lasting=lasting)


class SessionDriver:
    """Opens sessions, and lets the service find them by session id."""

    def __init__(self, *, fleet: Fleet, store: Store, deadlines: Deadlines) -> None:
        self._fleet = fleet
        self._store = store
        self._deadlines = deadlines
        self._active: dict[bytes, ActiveSession] = {}

    @property
    def active(self) -> Mapping[bytes, ActiveSession]:
        """Running sessions by session id."""
        return self._active

    async def run(self, spec: SessionSpec, roster: Roster, manifest: Manifest) -> SumResult:
        """One session over the cohort of `spec`.

        Raises:
            SessionFailed: no sum came out; nothing that was stored before is touched.
        """
        machine = CoordinatorSession(spec, roster)
        task = await self._task(spec)
        offer = OfferSession(task, self._deadlines.work, spec.encode(), manifest.encode())
        return await self._drive(machine, task, offer)

    async def unfinished(
        self, purpose: str, manifest: Manifest, *, study_id: str, round_number: int
    ) -> SessionRecord | None:
        """A session of that content whose unmasking a crash interrupted, if the store holds one."""
        for record in await self._store.open_sessions():
            spec = SessionSpec.decode(record.spec)
            wanted = (purpose, manifest.hash, study_id, round_number)
            if record.session_id not in self._active and wanted == (
                str(spec.purpose),
                spec.manifest_hash,
                spec.study_id,
                spec.round,
            ):
                return record
        return None

    async def finish(self, record: SessionRecord, roster: Roster) -> SumResult:
        """Go on unmasking where a crash interrupted it: the survivors are fixed, their sum is stored.

        Raises:
            SessionFailed: too few survivors still hold their part; the same sum must be asked for in a new session.
        """
        spec = SessionSpec.decode(record.spec)
        image = bytearray(await self._store.get_artifact(record.running_sum))
        try:
            machine = CoordinatorSession.resume(
                spec,
                roster,
                record=record.record,
                running=MaskedVector.from_bytes(spec.layout, image),
                unmasked=[(site, Message.decode(message)) for site, message in record.unmask.items()],
            )
        except AutoglmError as error:
            await self._store.close_session(record.session_id)
            raise SessionFailed(purpose=str(spec.purpose), reason=error.code) from error
        return await self._drive(machine, await self._task(spec), None)

    async def _task(self, spec: SessionSpec) -> TaskId:
        sequence = await self._store.next_sequence()
        return TaskId(spec.study_id, spec.trial, spec.round, spec.attempt, sequence)

    async def _drive(self, machine: CoordinatorSession, task: TaskId, offer: OfferSession | None) -> SumResult:
        spec = machine.spec
        with self._fleet.open_inbox(task.sequence, spec.cohort) as inbox:
            session = ActiveSession(
                machine, task, inbox, fleet=self._fleet, store=self._store, deadlines=self._deadlines
            )
            self._active[spec.session_id] = session
            outcome = "aborted"
            try:
                result = await session.run(offer)
                outcome = "completed"
                _log_timing(spec, session.seconds, len(result.survivors))
            except SessionFailed:
                await self._store.close_session(spec.session_id)
                raise
            finally:
                del self._active[spec.session_id]
                for site in spec.cohort:
                    link = self._fleet.link(site)
                    if link is not None:
                        link.send(CancelTask(task, outcome))
        # A session that gave a sum stays stored until what was made of the sum is: both happen in one commit.
        return result


def _may_complete(event: CoordinatorEvent) -> bool:
    return isinstance(event, Received) and event.message.kind is MessageKind.UNMASK


def _log_timing(spec: SessionSpec, seconds: Mapping[str, float], survivors: int) -> None:
    phases = " ".join(f"{phase}={value:.4f}" for phase, value in seconds.items())
    LOG.info(
        "session purpose=%s round=%d attempt=%d survivors=%d/%d seconds: %s",
        spec.purpose,
        spec.round,
        spec.attempt,
        survivors,
        len(spec.cohort),
        phases,
    )
