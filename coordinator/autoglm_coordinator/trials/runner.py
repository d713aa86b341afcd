"""The life of one study: approvals, constants, trials until the budget is spent, the test of the picks, the result.

The runner holds nothing that the store does not: whatever it finds there on a start, it goes on from. Trials are
suggested in batches, measured as shapes together, then tuned group by group (a group: the trials whose `tune` is
equal).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median

from autoglm_coordinator.federation.blame import SitesBarred
from autoglm_coordinator.federation.sessions import CohortTooSmall, Request
from autoglm_coordinator.scheduler.median import load_scheduler
from autoglm_coordinator.store.errors import UNUSABLE
from autoglm_coordinator.trials.compress import Compressing, evaluate
from autoglm_coordinator.trials.context import StudyContext, stage_key
from autoglm_coordinator.trials.feasible import classes_that_refuse
from autoglm_coordinator.trials.probe import Probing
from autoglm_coordinator.trials.stages import Tools
from autoglm_coordinator.trials.tune import Tuned, Tuning, lowest_costs, rung_values
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.errors import AutoglmError, Kind, RemoteError
from autoglm_core.measurement import Measurement, Split
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.trial import StageRecord, Trial, TrialState


class TooFewApprovals(AutoglmError):
    """Administrators denied the study or withdrew, and too few sites are left. `others`: who, and with which code."""

    code = "too-few-approvals"
    kind = Kind.DENIED

    def __init__(self, *, approved: int, required: int, others: str) -> None:
        super().__init__(
            f"{approved} sites approve and the study needs {required} ({others}): "
            "settle it with their administrators, then submit it with --again",
            approved=approved,
            required=required,
            others=others,
        )


WITHOUT_A_COHORT = (TooFewApprovals, SitesBarred, CohortTooSmall)
"""These say nothing about a trial: every other trial of the study would meet them too."""


async def sum_constants(context: StudyContext, tools: Tools) -> tuple[int, ...]:
    """What is summed once per study over its fixed cohort, from the store once it is there."""
    study = context.study
    data = [study.data, study.schema.hash, study.to_json()["split"], list(context.sites), context.roster.hash]
    key = stage_key("CONSTANTS", context.workload.name, context.workload.version, data)
    stored = await tools.store.get_stage(key)
    if stored is not None:
        return tuple(stored["constants"])
    outcome = await tools.sessions.run(context, Request(Purpose.CONSTANTS, (), Split.TRAIN, whole_cohort=True))
    layout = context.workload.model_side.constants_layout(study)
    constants = layout.encode({field.name: outcome.counters[field.name] for field in layout.fields}).tolist()
    await tools.store.put_stage("CONSTANTS", key, {"constants": constants}, session_id=outcome.session_id)
    return tuple(constants)


class Search:
    """Trials of one study until its budget is spent. `still_approved` raises once too few sites approve."""

    def __init__(
        self,
        context: StudyContext,
        tools: Tools,
        *,
        seconds_before: float,
        still_approved: Callable[[], Awaitable[None]],
    ) -> None:
        self._context = context
        self._tools = tools
        self._still_approved = still_approved
        self._scheduler = load_scheduler(context.study, context.workload.model_side.metrics())
        self._seconds_before = seconds_before
        self._started = self._saved = time.monotonic()
        self._group_seconds: list[float] = []
        self._stop = asyncio.Event()

    @property
    def seconds(self) -> float:
        """Wall time of the search, over all starts of the coordinator."""
        return self._seconds_before + time.monotonic() - self._started

    def stop(self) -> None:
        """End after the trials that are under way."""
        self._stop.set()
        self._context.progress.stopping = True
        self._tools.fleet.notify()

    async def run(self) -> str:
        """Run trials; the reason why it ended: trials, wall, space, operator.

        Raises:
            TooFewApprovals, SitesBarred, CohortTooSmall: a cohort is not to be had. Open trials are closed, completed
            ones stay.
        """
        try:
            reason = await self._run()
        except WITHOUT_A_COHORT as error:
            if not self._stop.is_set():
                await self._close_open({"code": error.code})
                raise
            reason = "operator"
        await self._close_open({"code": "budget-spent", "reason": reason})
        return reason

    async def _run(self) -> str:
        reason = ""
        pending = [trial for trial in await self._trials() if trial.state is TrialState.PENDING]
        if pending:
            await self._probe(pending)
        while not reason:
            await self._still_approved()
            groups = await self._open_groups()
            reason = self._spent()
            if reason:
                break
            if groups:
                await self._group(groups[0])
            else:
                reason = await self._propose()
            await self.save_time()
        return reason

    async def save_time(self) -> None:
        """Add the time since the last call to the study's."""
        now = time.monotonic()
        await self._tools.store.add_study_time(self._context.study_id, timedelta(seconds=now - self._saved))
        self._saved = now

    async def _trials(self) -> list[Trial]:
        return await self._tools.store.list_trials(self._context.study_id)

    async def _open_groups(self) -> list[list[Trial]]:
        """Trials that are not final, by equal `tune`, in order of number."""
        groups: dict[str, list[Trial]] = {}
        for trial in await self._trials():
            if not trial.state.final:
                groups.setdefault(trial.configuration.tune_key, []).append(trial)
        return list(groups.values())

    def _spent(self) -> str:
        wall = self._context.study.budget.wall
        if self._stop.is_set():
            return "operator"
        # What would probably not finish is not begun: the wall is the user's, not ours to overrun.
        needed = median(self._group_seconds) if self._group_seconds else 0.0
        if wall is not None and self.seconds + needed > wall.total_seconds():
            return "wall"
        return ""

    async def _propose(self) -> str:
        """Suggest, store and probe the next batch; a reason to end where nothing is left."""
        context, trials = self._context, await self._trials()
        left = context.study.budget.trials - len(trials)
        if left <= 0:
            return "trials"
        context.progress.stage = "SUGGEST"
        meta = {
            "study": context.study_json,
            "trials": [trial.to_json() for trial in trials],
            "n": context.study.sampler.batch,
        }
        reply = await self._tools.in_child("suggest", meta)
        configurations = [
            Configuration(tune=suggestion["tune"], deploy=deploy)
            for suggestion in reply.meta["suggestions"]
            for deploy in suggestion["variants"]
        ][:left]
        if not configurations:
            return "space"
        start = len(trials) + 1
        new = [Trial(number, configuration) for number, configuration in enumerate(configurations, start)]
        await self._tools.store.put_trials(context.study_id, new)
        await self._probe(new)
        return ""

    async def _probe(self, trials: Sequence[Trial]) -> None:
        figures = await Probing(self._context, self._tools).run(trials)
        probed = []
        for trial in trials:
            measurements, record = figures[trial.number]
            refused = classes_that_refuse(self._context.study, trial.configuration, measurements)
            state = TrialState.INFEASIBLE if len(refused) == len(measurements) else TrialState.RUNNING
            probed.append(replace(trial, state=state, measurements=measurements, refused_by=refused, stages=(record,)))
        await self._update(probed)

    async def _update(self, trials: Sequence[Trial]) -> None:
        await self._tools.store.update_trials(self._context.study_id, trials)

    async def _group(self, group: Sequence[Trial]) -> None:
        start = time.monotonic()
        try:
            await self._tune_and_evaluate(group)
        except (*UNUSABLE, *WITHOUT_A_COHORT):
            raise  # no fault of these trials
        except AutoglmError as error:
            code = error.remote_code if isinstance(error, RemoteError) else error.code
            failure = {**error.data, "code": code}
            await self._update([replace(trial, state=TrialState.FAILED, error=failure) for trial in group])
        self._group_seconds.append(time.monotonic() - start)

    async def _tune_and_evaluate(self, group: Sequence[Trial]) -> None:
        context = self._context
        earlier = [trial for trial in await self._trials() if trial.number < group[0].number]
        rungs = await rung_values(context, self._tools, earlier)
        tune, costs = group[0].configuration.tune, lowest_costs(context.study, group)
        tuning = Tuning(context, self._tools, self._scheduler, tune, costs=costs, earlier=rungs)
        tuned, record = await tuning.run()
        if tuned.stopped:
            await self._stop_group(group, tuned, record)
            return
        variants = await Compressing(context, self._tools, tuned).run([trial.configuration for trial in group])
        scores = await evaluate(context, self._tools, variants, purpose=Purpose.VALIDATE, trial=tuned.key)
        await self._update(
            [
                _completed(trial, (record, variant.record, scores[variant.model][1]), scores[variant.model][0])
                for trial, variant in zip(group, variants, strict=True)
            ]
        )

    async def _stop_group(self, group: Sequence[Trial], tuned: Tuned, record: StageRecord) -> None:
        stopped = [
            replace(
                trial,
                state=TrialState.STOPPED,
                measurements=_joined(trial.measurements, tuned.validation),
                stages=(*trial.stages, record),
            )
            for trial in group
        ]
        await self._update(stopped)

    async def _close_open(self, error: Json) -> None:
        still_open = [trial for trial in await self._trials() if not trial.state.final]
        await self._update([replace(trial, state=TrialState.STOPPED, error=error) for trial in still_open])


def _completed(trial: Trial, stages: Sequence[StageRecord], scores: Mapping[str, Measurement]) -> Trial:
    return replace(
        trial,
        state=TrialState.COMPLETED,
        stages=(*trial.stages, *stages),
        measurements=_joined(trial.measurements, scores),
    )


def _joined(
    by_class: Mapping[str, Mapping[str, Measurement]], scores: Mapping[str, Measurement]
) -> dict[str, dict[str, Measurement]]:
    """Accuracy is a property of the artifact: every class gets the same scores beside its own figures."""
    return {name: {**figures, **scores} for name, figures in by_class.items()}
