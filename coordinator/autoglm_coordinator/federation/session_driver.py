"""Opens sessions of the secure sum over connected agents, and takes up those that a crash interrupted."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from autoglm_coordinator.federation.active_session import ActiveSession, Deadlines
from autoglm_coordinator.federation.blame import Blames, Verdicts
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.session_failed import SessionFailed
from autoglm_coordinator.federation.transport import CancelTask, OfferSession
from autoglm_coordinator.store.api import SessionRecord, Store
from autoglm_core.errors import AutoglmError
from autoglm_core.privacy.coordinator_events import (
    SumResult,
)
from autoglm_core.privacy.coordinator_session import CoordinatorSession
from autoglm_core.privacy.masks import Parallel
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_core.task import Manifest, TaskId

LOG = logging.getLogger(__name__)


class SessionDriver:
    """Opens sessions, and lets the service find them by session id.

    `parallel`, `parts`: how masks are removed, as `CoordinatorSession` has it.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        store: Store,
        blames: Blames,
        deadlines: Deadlines,
        parallel: Parallel = map,
        parts: int = 1,
    ) -> None:
        self._fleet = fleet
        self._store = store
        self._blames = blames
        self._deadlines = deadlines
        self._parallel = parallel
        self._parts = parts
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
        machine = CoordinatorSession(spec, roster, parallel=self._parallel, parts=self._parts)
        task = await self._task(spec)
        offer = OfferSession(task, self._deadlines.work, spec.encode(), manifest.encode())
        return await self._drive(machine, task, offer, Verdicts(spec, roster, self._blames))

    def fetched(self, sequence: int, count: int) -> None:
        """Add `count` bytes that a site fetched for the task of that sequence, if it is a session's."""
        for session in self._active.values():
            if session.task.sequence == sequence:
                session.traffic.fetched(count)

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
        image = bytearray(await self._store.get_running_sum(record))
        try:
            machine = CoordinatorSession.resume(
                spec,
                roster,
                record=record.record,
                running=MaskedVector.from_bytes(spec.layout, image),
                unmasked=[(site, Message.decode(message)) for site, message in record.unmask.items()],
                parallel=self._parallel,
                parts=self._parts,
            )
        except AutoglmError as error:
            await self._store.close_session(record.session_id)
            raise SessionFailed(purpose=str(spec.purpose), reason=error.code) from error
        verdicts = Verdicts(spec, roster, self._blames)
        verdicts.survivors = record.survivors
        return await self._drive(machine, await self._task(spec), None, verdicts)

    async def _task(self, spec: SessionSpec) -> TaskId:
        sequence = await self._store.next_sequence()
        return TaskId(spec.study_id, spec.trial, spec.round, spec.attempt, sequence)

    async def _drive(
        self, machine: CoordinatorSession, task: TaskId, offer: OfferSession | None, verdicts: Verdicts
    ) -> SumResult:
        spec = machine.spec
        with self._fleet.open_inbox(task.sequence, spec.cohort) as inbox:
            session = ActiveSession(
                machine,
                task,
                inbox,
                fleet=self._fleet,
                store=self._store,
                deadlines=self._deadlines,
                verdicts=verdicts,
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
                session.end()
                for site in spec.cohort:
                    link = self._fleet.link(site)
                    if link is not None:
                        link.send(CancelTask(task, outcome))
                await session.traffic.keep()
        # A session that gave a sum stays stored until what was made of the sum is: both happen in one commit.
        return result


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
