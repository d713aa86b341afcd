"""One session of the secure sum while it runs.

The protocol is `CoordinatorSession`, which does no I/O; this module carries its instructions out: it sends, makes the
durable points of a session durable before going on, and turns silence into `SiteLost` and `Deadline`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from autoglm_coordinator.federation.blame import Verdicts
from autoglm_coordinator.federation.fleet import Fleet, Inbox
from autoglm_coordinator.federation.session_failed import SessionFailed
from autoglm_coordinator.federation.traffic import Traffic
from autoglm_coordinator.federation.transport import AgentLost, Declined, OfferSession, SessionSend
from autoglm_coordinator.store.api import Store
from autoglm_core.codes import RefusalCode
from autoglm_core.errors import AutoglmError
from autoglm_core.privacy.blame import BlameCode
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
from autoglm_core.task import TaskId

LOG = logging.getLogger(__name__)
CONFIGURATION_AT_FAULT = frozenset(
    {
        RefusalCode.DIVERGED,
        RefusalCode.NON_FINITE,
        RefusalCode.UNSUPPORTED_PRECISION,
        RefusalCode.NO_CHECKPOINTING,
        RefusalCode.TEXT_TOO_LONG,
    }
)
"""Training is a function of model, rows and seed: where it left the finite numbers, or cannot begin, it will again."""
SITE_CANNOT = frozenset(
    {
        RefusalCode.MEMORY,
        RefusalCode.DATA_MISSING,
        RefusalCode.DATA_EMPTY,
        RefusalCode.SCHEMA_MISMATCH,
        RefusalCode.MODEL_MISSING,
        RefusalCode.PACKAGE_MISSING,
    }
)
"""A site says so again until its administrator has changed something."""
LASTING = CONFIGURATION_AT_FAULT | SITE_CANNOT


@dataclass(frozen=True)
class Deadlines:
    """How long the whole cohort may take: to train (the offer's lease), and for each answer of the protocol."""

    work: timedelta = timedelta(minutes=10)
    answer: timedelta = timedelta(seconds=30)

    def of(self, phase: Phase) -> float:
        """Seconds for `phase`."""
        return (self.work if phase is Phase.MASK else self.answer).total_seconds()


@dataclass(eq=False)
class _Uploaded:
    """A vector, until `event` is taken out or its call ends. `settled`: it is in the sum, or dropped."""

    site_id: str
    event: MaskedArrived | None
    settled: asyncio.Future[None]


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
        verdicts: Verdicts,
    ) -> None:
        self.spec = machine.spec
        self.verdicts = verdicts
        self.task = task
        self.inbox = inbox
        self._machine = machine
        self._fleet = fleet
        self._store = store
        self._deadlines = deadlines
        self.seconds: dict[str, float] = {}
        """Wall time by phase."""
        self.traffic = Traffic(machine.spec, store)
        self._declined: dict[str, str] = {}
        self._unsettled: set[asyncio.Future[None]] = set()
        self._resumed = False
        self._result: SumResult | None = None

    async def take(self, event: MaskedArrived) -> bool:
        """Hand a vector over; returns when nothing here refers to it any more. False: it came too late."""
        self.traffic.vector(event.message)
        uploaded = _Uploaded(event.site_id, event, asyncio.get_running_loop().create_future())
        self._unsettled.add(uploaded.settled)
        try:
            if not self._fleet.deliver(self.task.sequence, event.site_id, uploaded):
                return False
            await uploaded.settled
            return True
        finally:
            uploaded.event = None
            self._unsettled.discard(uploaded.settled)

    def end(self) -> None:
        """Nothing is taken from the inbox any more."""
        for settled in self._unsettled:
            _settle(settled)

    async def run(self, offer: OfferSession | None) -> SumResult:
        """Offer (None: it was, before a restart), answer, and wait until there is a sum.

        Raises:
            SessionFailed: too few sites stayed, or one of the protocol's aborts.
        """
        self._resumed = offer is None
        await self._apply(Opened())
        for site in self.spec.cohort:
            link = self._fleet.link(site)
            if link is None:
                await self._apply(SiteLost(site))
            elif offer is not None:
                link.send(offer)
                self.traffic.offer(offer)
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
            todo = [await self._receive(await self.inbox.get(until))]
            # Shares that came together are stored by one commit; each is acknowledged after it.
            while phase is Phase.UNMASK and not self.inbox.empty:
                todo.append(await self._receive(await self.inbox.get()))
            await asyncio.gather(*map(self._carry_all_out, todo))

    async def _receive(self, event: object) -> list[CoordinatorInstruction]:
        if not isinstance(event, _Uploaded):
            if isinstance(event, Declined) and event.accused:
                await self.verdicts.accuse(event.agent_id, event.accused)
            translated = self._translate(event)
            return [] if translated is None else await self._handle(translated)
        instructions = await self._handle(event)
        _settle(event.settled)
        await asyncio.sleep(0)  # its call lets go of the vector before the sum is copied to be stored
        return instructions

    def _translate(self, event: object) -> CoordinatorEvent | None:
        """None: what belongs to another kind of task, though a site sent it under this one's number."""
        match event:
            case None:
                return Deadline()
            case AgentLost(agent_id=site):
                return SiteLost(site)
            case Declined(agent_id=site, code=code):
                self._declined[site] = code
                return SiteLost(site)
            case Received(message=message):
                self.traffic.message(message)
                return event
            case _:
                return None

    async def _apply(self, event: CoordinatorEvent) -> None:
        await self._carry_all_out(await self._handle(event))

    async def _carry_all_out(self, instructions: list[CoordinatorInstruction]) -> None:
        for instruction in instructions:
            await self._carry_out(instruction)

    async def _handle(self, event: CoordinatorEvent | _Uploaded) -> list[CoordinatorInstruction]:
        try:
            if isinstance(event, _Uploaded):
                return await asyncio.to_thread(self._add, event)
            if self._is_long():
                return await asyncio.to_thread(self._machine.handle, event)
            return self._machine.handle(event)
        except AutoglmError as error:
            if not isinstance(event, Received | _Uploaded):
                raise
            # The machine is unchanged. Whoever breaks the protocol is out of this session; the others go on.
            LOG.warning("session %s: site %s: %s", self.spec.session_id.hex()[:12], event.site_id, error.code)
            return await asyncio.to_thread(self._machine.handle, SiteLost(event.site_id))

    def _add(self, uploaded: _Uploaded) -> list[CoordinatorInstruction]:
        """Numpy, so off the event loop. The thread's queue keeps its arguments a moment too long for a vector."""
        event, uploaded.event = uploaded.event, None
        return [] if event is None else self._machine.handle(event)

    def _is_long(self) -> bool:
        """Whether masks may be removed, which stays off the event loop; all else is shorter than a thread's waking.

        Any event of the last phase may end it, a lost site and the deadline too; a session that is taken up again may
        find all its answers in the store.
        """
        return self._machine.phase is Phase.UNMASK or self._resumed

    async def _carry_out(self, instruction: CoordinatorInstruction) -> None:
        match instruction:
            case SendTo(site_id=site, message=message):
                link = self._fleet.link(site)
                if link is not None:
                    link.send(SessionSend(self.spec.session_id, message))
                    self.traffic.message(message)
            case PersistSurvivors():
                await self._persist(instruction)
                await self._apply(Persisted())
            case PersistShare(site_id=site, message=message):
                await self._store.put_unmask_share(self.spec.session_id, site, message.encode())
            case Blamed(site_id=site, code=code):
                await self.verdicts.blame(site, BlameCode(code))
            case Completed(result=result):
                self._result = result
            case Aborted(code=code, data=data):
                if code == BlameCode.BAD_DEALER:
                    await self.verdicts.blame(str(data["site"]), BlameCode.BAD_DEALER)
                raise self._failed(code)

    async def _persist(self, point: PersistSurvivors) -> None:
        self.verdicts.survivors = point.survivors
        running_sum = await asyncio.to_thread(point.running_sum.to_bytes)
        # Together, so that they share one commit: after a crash no site sends its vector again.
        await asyncio.gather(
            self._store.put_survivors(
                self.spec.session_id,
                spec=self.spec.encode(),
                survivors=point.survivors,
                running_sum=running_sum,
                record=point.record,
            ),
            self.traffic.keep(),
        )

    def _failed(self, reason: str) -> SessionFailed:
        counts: dict[str, int] = {}
        for code in self._declined.values():
            counts[code] = counts.get(code, 0) + 1
        told = ", ".join(f"{code} x{count}" for code, count in sorted(counts.items()))
        willing = len(self.spec.cohort) - sum(code in LASTING for code in self._declined.values())
        lasting = not self.verdicts.repeatable or willing < self.spec.needed
        return SessionFailed(
            purpose=str(self.spec.purpose),
            reason=reason,
            declined=told,
            blamed=self.verdicts.named,
            lasting=lasting,
        )


def _settle(settled: asyncio.Future[None]) -> None:
    if not settled.done():  # its call may be cancelled already
        settled.set_result(None)
