"""What sessions a study needs: builds their specs and retries them as new sessions until one gives a sum."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.leases import HostLeases
from autoglm_coordinator.federation.session_driver import SessionDriver, SessionFailed
from autoglm_core.canonical import canonical_json
from autoglm_core.counters import CounterLayout
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.measurement import Split
from autoglm_core.privacy.ring import dequantize_sum, levels_for
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.session_counters import WEIGHT, session_counters
from autoglm_core.task import Manifest, ManifestItem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autoglm_coordinator.trials.context import StudyContext
    from autoglm_core.counters import Counters
    from autoglm_core.privacy.coordinator_events import SumResult
    from autoglm_core.privacy.roster import Roster
    from autoglm_core.study import Study
    from autoglm_core.workload import Vector

LOG = logging.getLogger(__name__)
ATTEMPTS = 6


class CohortTooSmall(AutoglmError):
    """Too few sites are connected to start a session."""

    code = "cohort-too-small"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, connected: int, required: int) -> None:
        super().__init__(
            f"{connected} sites are connected and a session needs {required}: start the missing agents",
            connected=connected,
            required=required,
        )


@dataclass(frozen=True)
class Request:
    """One session to run. `weight_cap`: no site's weight is larger. `parameters`: body length, 0 for counters alone."""

    purpose: Purpose
    items: tuple[ManifestItem, ...]
    split: Split
    trial: str = ""
    round: int = 0
    parameters: int = 0
    weight_cap: int = 1
    seed: str = "00"
    whole_cohort: bool = False


@dataclass(frozen=True)
class Outcome:
    """A session's sum: named counters, the weighted mean delta (empty without a body), and who counted."""

    counters: Counters
    delta: Vector
    survivors: tuple[str, ...]
    dropped: tuple[str, ...]
    session_id: bytes


class Sessions:
    """Runs sessions for studies."""

    def __init__(
        self, *, fleet: Fleet, leases: HostLeases, driver: SessionDriver, store_epoch: int, gather: timedelta
    ) -> None:
        self._fleet = fleet
        self._leases = leases
        self._driver = driver
        self._store_epoch = store_epoch
        self._gather = gather

    async def run(self, context: StudyContext, request: Request) -> Outcome:
        """Run `request` over the connected sites of the study; an aborted session is retried as a new one.

        Raises:
            SessionFailed: every attempt was aborted.
            CohortTooSmall: too few sites came back in time.
        """
        manifest = Manifest(request.items, request.split, context.constants, request.seed)
        failure: AutoglmError | None = None
        finished = await self._finish_interrupted(context, request, manifest)
        if finished is not None:
            return finished
        for attempt in range(1, ATTEMPTS + 1):
            try:
                cohort = await self._cohort(context, whole=request.whole_cohort)
                spec = self._spec(context, request, manifest, cohort, attempt)
                async with self._leases.shared(self._hosts(cohort)):
                    result = await self._driver.run(spec, context.roster, manifest)
            except (SessionFailed, CohortTooSmall) as error:
                LOG.warning("%s round %d, attempt %d: %s", request.purpose, request.round, attempt, error.message)
                failure = error
                if isinstance(error, SessionFailed) and error.lasting:
                    break
                continue
            context.progress.sites = len(result.survivors)
            return await asyncio.to_thread(_outcome, spec, result)
        raise failure or SessionFailed(purpose=str(request.purpose), reason="no attempt")

    async def _finish_interrupted(self, context: StudyContext, request: Request, manifest: Manifest) -> Outcome | None:
        """The sum of a session that a crash of this daemon interrupted after its survivors were fixed."""
        record = await self._driver.unfinished(
            str(request.purpose), manifest, study_id=context.study_id, round_number=request.round
        )
        if record is None:
            return None
        await self._present(context, whole=request.whole_cohort)
        try:
            result = await self._driver.finish(record, context.roster)
        except SessionFailed as error:
            LOG.warning("an interrupted session could not be finished (%s); it is asked for anew", error.reason)
            return None
        return await asyncio.to_thread(_outcome, SessionSpec.decode(record.spec), result)

    def _hosts(self, cohort: Sequence[str]) -> list[str]:
        links = [self._fleet.link(site) for site in cohort]
        return [link.facts.host_id for link in links if link is not None]

    async def _cohort(self, context: StudyContext, *, whole: bool) -> tuple[str, ...]:
        """The study's sites that are connected, after waiting a while for all of them; all of them where `whole`."""
        present = await self._present(context, whole=whole)
        required = _required(context, present, whole=whole)
        if len(present) < required:
            raise CohortTooSmall(connected=len(present), required=required)
        return present

    async def _present(self, context: StudyContext, *, whole: bool) -> tuple[str, ...]:
        """The study's sites that are connected, after waiting a while for all of them.

        Where enough are there, a site is waited for once after it went, and not again by every session.
        """
        loop, gather = asyncio.get_running_loop(), self._gather.total_seconds()
        until = loop.time() + gather
        while True:
            present = tuple(site for site in context.sites if self._fleet.link(site) is not None)
            missing = set(context.sites) - set(present)
            left = until - loop.time()
            if missing and len(present) >= _required(context, present, whole=whole):
                left = min(left, gather - min(map(self._fleet.seconds_away, missing)))
            if not missing or left <= 0:
                return present
            await self._fleet.changed(left)

    def _spec(
        self, context: StudyContext, request: Request, manifest: Manifest, cohort: tuple[str, ...], attempt: int
    ) -> SessionSpec:
        study, roster = context.study, context.roster
        protection = study.protection
        counters = session_counters(context.workload.model_side, study, request.purpose, manifest)
        minimum = minimum_cohort(study, roster)
        return SessionSpec(
            suite=SUITE,
            roster_hash=roster.hash,
            cohort=tuple(sorted(cohort)),
            threshold=roster.threshold(len(cohort)),
            # A sum that must be over everyone is not opened over fewer: the sites would refuse the second one.
            minimum_cohort=len(cohort) if request.whole_cohort else minimum,
            colluders=roster.colluders_for(len(cohort)),
            store_epoch=self._store_epoch,
            session_id=os.urandom(32),
            study_id=context.study_id,
            study_hash=study.hash,
            trial=request.trial,
            round=request.round,
            attempt=attempt,
            purpose=request.purpose,
            models=tuple(item.artifact for item in request.items),
            manifest_hash=manifest.hash,
            configuration=canonical_json([item.configuration.to_json() for item in request.items]),
            workload=study.workload,
            workload_version=context.workload.version,
            counters=canonical_json(counters.to_json()),
            parameters=request.parameters,
            dimension=request.parameters,
            clip=protection.clip,
            levels=levels_for(len(cohort), protection.ring_bits),
            ring_bits=protection.ring_bits,
            weight_cap=request.weight_cap,
            masked=protection.secure_sum,
        )


def _required(context: StudyContext, present: Sequence[str], *, whole: bool) -> int:
    """How many sites a session over `present` needs at least."""
    if whole:
        return len(context.sites)
    minimum = minimum_cohort(context.study, context.roster)
    return max(minimum, context.roster.threshold(len(present))) if context.study.protection.secure_sum else minimum


def minimum_cohort(study: Study, roster: Roster) -> int:
    """The fewest sites of a sum. The roster's minimum protects masks; one owner's hosts without masks need none."""
    protection = study.protection
    return max(protection.minimum_cohort, roster.minimum_cohort) if protection.secure_sum else protection.minimum_cohort


def _outcome(spec: SessionSpec, result: SumResult) -> Outcome:
    layout = CounterLayout.from_json(json.loads(spec.counters))
    counters = layout.decode(np.asarray(result.tail_sum, dtype=np.int64))
    delta: NDArray[np.float32] = np.zeros(0, np.float32)
    if spec.parameters:
        weight = int(counters[WEIGHT.name])
        delta = dequantize_sum(
            result.body_sum, clip=spec.clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=weight
        )
    return Outcome(counters, delta, result.survivors, result.dropped, spec.session_id)


def training_seed(tune_key: str, round_number: int) -> str:
    """The seed of a round's local training, as 64 hexadecimal digits: the same TUNE repeats alike."""
    return hashlib.sha256(f"autoglm/v1/train/{tune_key}/{round_number}".encode()).hexdigest()
