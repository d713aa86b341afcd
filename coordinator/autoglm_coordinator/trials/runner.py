"""The life of one study: approvals, constants, trials until the budget is spent, the test of the picks, the result.

The runner holds nothing that the store does not: whatever it finds there on a start, it goes on from. Trials are
suggested in batches and measured as shapes together. Those whose `tune` is equal share one TUNE, which goes on rung by
rung as the scheduler says, in turn with others: a TUNE that pauses keeps its trials running. Once nothing new can be
proposed the study closes: what is paused is taken to its end as far as the budget has room for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import zip_longest
from statistics import median

from autoglm_coordinator.federation.blame import SitesBarred
from autoglm_coordinator.federation.sessions import CohortTooSmall, Request
from autoglm_coordinator.sampler.api import Outlook, Suggestion
from autoglm_coordinator.scheduler.api import Stand, Standing, Stop
from autoglm_coordinator.scheduler.halving import load_scheduler
from autoglm_coordinator.store.errors import UNUSABLE
from autoglm_coordinator.trials.compress import Compressing, evaluate
from autoglm_coordinator.trials.context import StudyContext, stage_key
from autoglm_coordinator.trials.feasible import classes_that_refuse
from autoglm_coordinator.trials.probe import Probing
from autoglm_coordinator.trials.room import Room, room_left
from autoglm_coordinator.trials.spent import PROPOSALS, Cost, too_little_to_gain, tune_costs
from autoglm_coordinator.trials.stages import Tools
from autoglm_coordinator.trials.standings import Standings
from autoglm_coordinator.trials.tune import Tuned, Tuning
from autoglm_coordinator.trials.warm_start import earlier_studies
from autoglm_core.canonical import Json
from autoglm_core.errors import AutoglmError, Kind, RemoteError
from autoglm_core.measurement import Measurement, Split
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState


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
        self._scheduler = load_scheduler(context.study, context.workload.model_side.metrics(context.study))
        self._standings = Standings(context, tools.store)
        self._seconds_before = seconds_before
        self._started = self._saved = time.monotonic()
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
        """Run trials; the reason why it ended: trials, wall, bytes, energy, gain, space, operator.

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
        await self._close_open({"code": "study-ended", "reason": reason})
        return reason

    async def _run(self) -> str:
        nothing_new = ""
        pending = [trial for trial in await self._trials() if trial.state is TrialState.PENDING]
        if pending:
            await self._probe(pending)
        while True:
            await self._still_approved()
            if self._stop.is_set():
                return "operator"
            room = await self._room()
            nothing_new = nothing_new or room.limit_of(self._context.study.rungs)
            following = await self._following(room, closing=bool(nothing_new))
            if following is not None:
                await self._go_on(following)
            elif nothing_new:
                return nothing_new
            else:
                nothing_new = await self._propose()
            await self.save_time()

    async def save_time(self) -> None:
        """Add the time since the last call to the study's."""
        now = time.monotonic()
        await self._tools.store.add_study_time(self._context.study_id, timedelta(seconds=now - self._saved))
        self._saved = now

    async def _trials(self) -> list[Trial]:
        return await self._tools.store.list_trials(self._context.study_id)

    async def _room(self) -> Room:
        store, study_id = self._tools.store, self._context.study_id
        cost = await store.study_cost(study_id)
        spent = Cost(self.seconds, await store.study_bytes(study_id), cost.joules)
        return room_left(self._context.study.budget, spent, await self._trials())

    async def _following(self, room: Room, *, closing: bool) -> Standing | None:
        """The TUNE that goes on; those that are given up are stopped."""
        standings = await self._standings.of(await self._trials())
        # A coordinator that was killed between rungs goes on there: the same standings, so the same decision.
        begun = [standing for standing in standings if standing.stand is Stand.RUNNING]
        if begun:
            return begun[0]
        decide = partial(self._scheduler.decide, standings, closing=closing, rounds_left=room.rounds)
        decision = await asyncio.to_thread(decide)  # it takes a second where there are thousands
        for stop in decision.stops:
            await self._give_up(stop)
        return next((standing for standing in standings if standing.tune == decision.next), None)

    async def _propose(self) -> str:
        """Suggest, store and probe the next batch; a reason to end where nothing is left."""
        context, trials, outlooks = self._context, await self._trials(), await self._outlooks()
        left = context.study.budget.trials - len(trials)
        if left <= 0:
            return "trials"
        if too_little_to_gain(context.study.budget, outlooks):
            return "gain"  # so it was before a restart, and what is finished since then changes nothing
        context.progress.stage = "SUGGEST"
        meta = {
            "study": context.study_json,
            "trials": [trial.to_json() for trial in trials],
            "n": context.study.sampler.batch,
            "earlier": await earlier_studies(context.study, self._tools.store),
        }
        reply = await self._tools.in_child("suggest", meta)
        outlooks = [*outlooks, self._outlook(reply.meta["outlook"], trials)][-PROPOSALS:]
        enough = too_little_to_gain(context.study.budget, outlooks)
        new = _as_trials(map(Suggestion.from_json, reply.meta["suggestions"]), start=len(trials) + 1)[:left]
        said = {"outlooks": [outlook and outlook.to_json() for outlook in outlooks]}
        await self._tools.store.put_trials(context.study_id, [] if enough else new, sampler_state=said)
        if enough or not new:
            return "gain" if enough else "space"
        await self._probe(new)
        return ""

    async def _outlooks(self) -> list[Outlook | None]:
        """Of the last proposals."""
        state = await self._tools.store.sampler_state(self._context.study_id)
        return [] if state is None else [outlook and Outlook.from_json(outlook) for outlook in state["outlooks"]]

    def _outlook(self, said: Json | None, trials: Sequence[Trial]) -> Outlook | None:
        """What the sampler said; where it knows no costs, with what half of all TUNEs took."""
        if said is None:
            return None
        outlook, costs = Outlook.from_json(said), tune_costs(trials)
        if outlook.seconds is not None:
            return outlook
        return replace(outlook, seconds=median(cost.seconds for cost in costs) if costs else None)

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

    async def _open_trials(self, tune_key: str) -> list[Trial]:
        trials = [trial for trial in await self._trials() if not trial.state.final]
        return [trial for trial in trials if self._context.tune_key(trial.configuration.tune) == tune_key]

    async def _go_on(self, standing: Standing) -> None:
        """Take the TUNE to its next rung."""
        group = await self._open_trials(standing.tune)
        try:
            await self._to_next_rung(standing, group)
        except (*UNUSABLE, *WITHOUT_A_COHORT):
            raise  # no fault of these trials
        except AutoglmError as error:
            code = error.remote_code if isinstance(error, RemoteError) else error.code
            failure = {**error.data, "code": code}
            await self._update([replace(trial, state=TrialState.FAILED, error=failure) for trial in group])
        self._standings.went_on(standing.tune)

    async def _to_next_rung(self, standing: Standing, group: Sequence[Trial]) -> None:
        study = self._context.study
        rung = next((rung for rung in study.rungs if rung > standing.rung), study.rounds)
        tuned = await Tuning(self._context, self._tools, group[0].configuration.tune).to_rung(rung)
        at_rung = [_at_rung(trial, tuned) for trial in group]
        if rung < study.rounds:
            await self._update(at_rung)
            return
        variants = await Compressing(self._context, self._tools, tuned).run([trial.configuration for trial in group])
        scores = await evaluate(self._context, self._tools, variants, purpose=Purpose.VALIDATE, trial=tuned.key)
        await self._update(
            [
                _completed(trial, (variant.record, scores[variant.model][1]), scores[variant.model][0])
                for trial, variant in zip(at_rung, variants, strict=True)
            ]
        )

    async def _give_up(self, stop: Stop) -> None:
        why = {"code": "hopeless", "chance": round(stop.chance, 4)}
        group = await self._open_trials(stop.tune)
        await self._update([replace(trial, state=TrialState.STOPPED, error=why) for trial in group])

    async def _close_open(self, error: Json) -> None:
        still_open = [trial for trial in await self._trials() if not trial.state.final]
        await self._update([replace(trial, state=TrialState.STOPPED, error=error) for trial in still_open])


def _as_trials(suggestions: Iterable[Suggestion], *, start: int) -> list[Trial]:
    """One trial for each variant, numbered from `start`, with the reason where the sampler gives one."""
    variants = [pair for entry in suggestions for pair in zip_longest(entry.configurations, entry.reasons)]
    return [Trial(number, variant, reason=reason) for number, (variant, reason) in enumerate(variants, start)]


def _at_rung(trial: Trial, tuned: Tuned) -> Trial:
    """The trial with what its TUNE reached, in place of what it reached before."""
    before = next((stage for stage in trial.stages if stage.name is StageName.TUNE), None)
    cached = tuned.cached and (before is None or before.cached)
    others = tuple(stage for stage in trial.stages if stage is not before)
    return replace(
        trial,
        stages=(*others, replace(tuned.record, cached=cached)),
        measurements=_joined(trial.measurements, tuned.validation),
    )


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
