"""What sessions a study needs: builds their specs and retries them as new sessions until one gives a sum."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.updates.mean_delta import mean_delta
from autoglm_compression.updates.pattern import lanes_for
from autoglm_coordinator.federation.blame import Blames, SitesBarred
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.leases import HostLeases
from autoglm_coordinator.federation.rounds import remark_on_clip
from autoglm_coordinator.federation.session_driver import SessionDriver
from autoglm_coordinator.federation.session_failed import SessionFailed
from autoglm_core.canonical import canonical_json
from autoglm_core.counters import CounterLayout
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.measurement import Split
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.protection import fewest_survivors, minimum_cohort
from autoglm_core.session_counters import CLIPPED, WEIGHT, session_counters
from autoglm_core.task import Manifest, ManifestItem
from autoglm_core.training_cost import COST_LAYOUT, NO_COST, TrainingCost

if TYPE_CHECKING:
    from autoglm_coordinator.trials.context import StudyContext
    from autoglm_core.counters import Counters
    from autoglm_core.privacy.coordinator_events import SumResult
    from autoglm_core.workload import Vector

LOG = logging.getLogger(__name__)
ATTEMPTS = 6
COST_NAMES = frozenset(field.name for field in COST_LAYOUT.fields)


class CohortTooSmall(AutoglmError):
    """Too few sites are connected to start a session. `missing`: the names of the others."""

    code = "cohort-too-small"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, connected: int, required: int, missing: str) -> None:
        super().__init__(
            f"waits for sites: {connected} are connected and a session needs {required}; start the agent of {missing}",
            connected=connected,
            required=required,
            missing=missing,
        )


@dataclass(frozen=True)
class Request:
    """One session to run. `weight_cap`: no site's weight is larger.

    `dimension`: parameters of the model whose delta is summed, 0 for counters alone. `counted`: see `Manifest`.
    """

    purpose: Purpose
    items: tuple[ManifestItem, ...]
    split: Split
    trial: str = ""
    round: int = 0
    dimension: int = 0
    weight_cap: int = 1
    seed: str = "00"
    counted: Mapping[str, str] = field(default_factory=dict)
    whole_cohort: bool = False


@dataclass(frozen=True)
class Outcome:
    """A session's sum: named counters, the weighted mean delta (empty without a body), and who counted.

    `cost`: what a training took at those together; nothing for any other purpose.
    """

    counters: Counters
    delta: Vector
    survivors: tuple[str, ...]
    dropped: tuple[str, ...]
    session_id: bytes
    cost: TrainingCost = NO_COST


class Sessions:
    """Runs sessions for studies."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        blames: Blames,
        leases: HostLeases,
        driver: SessionDriver,
        store_epoch: int,
        gather: timedelta,
        absence: timedelta,
    ) -> None:
        self._fleet = fleet
        self._blames = blames
        self._leases = leases
        self._driver = driver
        self._store_epoch = store_epoch
        self._gather = gather
        self._absence = absence

    async def run(self, context: StudyContext, request: Request) -> Outcome:
        """Run `request` over the connected sites of the study; an aborted session is retried as a new one.

        Raises:
            SessionFailed: every attempt was aborted.
            CohortTooSmall: too few sites came back in time; another request would fare alike.
            SitesBarred: too few sites are left without those that broke the secure sum.
        """
        manifest = Manifest(request.items, request.split, context.constants, request.seed, request.counted)
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
            except SessionFailed as error:
                LOG.warning("%s round %d, attempt %d: %s", request.purpose, request.round, attempt, error.message)
                failure = error
                if error.lasting:
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
            if error.lasting:
                raise
            LOG.warning("an interrupted session could not be finished (%s); it is asked for anew", error.reason)
            return None
        return await asyncio.to_thread(_outcome, SessionSpec.decode(record.spec), result)

    def _hosts(self, cohort: Sequence[str]) -> list[str]:
        links = [self._fleet.link(site) for site in cohort]
        return [link.facts.host_id for link in links if link is not None]

    def require_trusted(self, context: StudyContext, *, whole: bool = False) -> None:
        """Raise `SitesBarred` where the study's sites without those that are barred cannot be a cohort."""
        trusted = self._trusted(context)
        required = _required(context, trusted, whole=whole)
        if len(trusted) < len(context.sites) and len(trusted) < required:
            named = self._blames.named(context.sites, context.roster)
            raise SitesBarred(barred=named, left=len(trusted), required=required)

    def _trusted(self, context: StudyContext) -> tuple[str, ...]:
        return tuple(site for site in context.sites if site not in self._blames.barred)

    async def _cohort(self, context: StudyContext, *, whole: bool) -> tuple[str, ...]:
        """The study's sites that are connected, after waiting a while for all of them; all of them where `whole`.

        Where they are too few the study waits longer, and says so. No trial is to blame for that.
        """
        while True:
            await self._wait_for_enough(context, whole=whole)
            present = await self._present(context, whole=whole)
            if len(present) >= _required(context, present, whole=whole):
                return present

    async def _wait_for_enough(self, context: StudyContext, *, whole: bool) -> None:
        self.require_trusted(context, whole=whole)
        loop, progress = asyncio.get_running_loop(), context.progress
        until = loop.time() + self._absence.total_seconds()
        try:
            while (missing := self._too_small(context, whole=whole)) is not None:
                if progress.stopping or loop.time() >= until:
                    raise missing
                if progress.waiting is None:
                    LOG.warning("study %s %s", context.study_id, missing.message)
                progress.waiting = missing
                await self._fleet.changed(until - loop.time())
        finally:
            progress.waiting = None

    def _too_small(self, context: StudyContext, *, whole: bool) -> CohortTooSmall | None:
        present = self._connected(context)
        required = _required(context, present, whole=whole)
        if len(present) >= required:
            return None
        away = [context.roster.site(site).name for site in self._trusted(context) if site not in present]
        return CohortTooSmall(connected=len(present), required=required, missing=", ".join(away))

    def _connected(self, context: StudyContext) -> tuple[str, ...]:
        return tuple(site for site in self._trusted(context) if self._fleet.link(site) is not None)

    async def _present(self, context: StudyContext, *, whole: bool) -> tuple[str, ...]:
        """The study's sites that are connected, after waiting a while for all of them.

        Where enough are there, a site is waited for once after it went, and not again by every session. Where they
        were enough and are no longer, nobody is waited for here.
        """
        loop, gather = asyncio.get_running_loop(), self._gather.total_seconds()
        until, were_enough = loop.time() + gather, False
        while True:
            present = self._connected(context)
            missing = set(self._trusted(context)) - set(present)
            enough = len(present) >= _required(context, present, whole=whole)
            left = until - loop.time()
            if missing and enough:
                left = min(left, gather - min(map(self._fleet.seconds_away, missing)))
            if not missing or left <= 0 or (were_enough and not enough):
                return present
            were_enough = enough
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
            parameters=lanes_for(request.dimension, protection.random_k),
            dimension=request.dimension,
            clip=protection.clip,
            levels=levels_for(len(cohort), protection.ring_bits),
            ring_bits=protection.ring_bits,
            weight_cap=request.weight_cap,
            masked=protection.secure_sum,
        )


def _required(context: StudyContext, present: Sequence[str], *, whole: bool) -> int:
    """How many sites a session over `present` needs at least."""
    return len(context.sites) if whole else fewest_survivors(context.study, context.roster, sites=len(present))


def _outcome(spec: SessionSpec, result: SumResult) -> Outcome:
    layout = CounterLayout.from_json(json.loads(spec.counters))
    counters = layout.decode(np.asarray(result.tail_sum, dtype=np.int64))
    delta, cost = np.zeros(0, np.float32), NO_COST
    if spec.purpose is Purpose.TRAIN:
        cost = TrainingCost.of_sum(counters, sites=len(result.survivors))
        counters = {name: counters[name] for name in counters if name not in COST_NAMES}
    if spec.dimension:
        delta = mean_delta(result.body_sum, weight_sum=int(counters[WEIGHT.name]), spec=spec)
        clipped, survivors = int(counters[CLIPPED.name]), len(result.survivors)
        if remark := remark_on_clip(spec, result.body_sum, clipped=clipped, survivors=survivors):
            LOG.warning("study %s, round %d: %s", spec.study_id, spec.round, remark)
    return Outcome(counters, delta, result.survivors, result.dropped, spec.session_id, cost)


def training_seed(tune_key: str, round_number: int) -> str:
    """The seed of a round's local training, as 64 hexadecimal digits: the same TUNE repeats alike."""
    return hashlib.sha256(f"autoglm/v1/train/{tune_key}/{round_number}".encode()).hexdigest()
