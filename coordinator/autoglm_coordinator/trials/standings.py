"""How the TUNEs of a study stand, for the scheduler: all of it follows from what the store holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoglm_coordinator.report.fronts import comparable_trials
from autoglm_coordinator.scheduler.api import Figures, Stand, Standing
from autoglm_coordinator.store.api import Store
from autoglm_coordinator.trials.context import StudyContext
from autoglm_coordinator.trials.tune import rung_key
from autoglm_core.measurement import Measurement, measurements_from_json
from autoglm_core.objective import COST_METRICS, Objective
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState

Rungs = Mapping[int, Mapping[str, Measurement]]


@dataclass(frozen=True)
class Progressed:
    """What is stored of a TUNE: its metrics by rung, and the last committed round."""

    rungs: Rungs
    round: int


class Standings:
    """Of one study. Rungs never change, so those that were read once are kept; a TUNE that went on is read again."""

    def __init__(self, context: StudyContext, store: Store) -> None:
        self._context = context
        self._store = store
        self._progressed: dict[str, Progressed] = {}

    def went_on(self, tune_key: str) -> None:
        """Forget what was read of the TUNE."""
        self._progressed.pop(tune_key, None)

    async def of(self, trials: Sequence[Trial]) -> list[Standing]:
        """One for each TUNE that some trial wants, in order of number; a TUNE of infeasible shapes alone is none."""
        points = _points(self._context.study, trials)
        return [
            await self._standing(group, points)
            for group in tune_groups(trial for trial in trials if trial.state is not TrialState.INFEASIBLE)
        ]

    async def _standing(self, group: Sequence[Trial], points: Mapping[int, Mapping[str, Figures]]) -> Standing:
        key = self._context.tune_key(group[0].configuration.tune)
        if key not in self._progressed:
            self._progressed[key] = await self._read(key)
        progressed = self._progressed[key]
        # A rung counts once its trials show it: what was stored just before a crash is passed on first of all.
        reached = max((stage.rounds for trial in group for stage in trial.stages), default=0)
        own = [(name, point) for trial in group for name, point in points.get(trial.number, {}).items()]
        return Standing(
            tune=key,
            number=group[0].number,
            stand=_stand(group, between=progressed.round > reached),
            rungs={rung: metrics for rung, metrics in progressed.rungs.items() if rung <= reached},
            costs=lowest_costs(self._context.study.objectives, group),
            points={name: tuple(point for at, point in own if at == name) for name, _ in own},
        )

    async def _read(self, key: str) -> Progressed:
        rungs = {}
        for number in self._context.study.rungs:
            stored = await self._store.get_stage(rung_key(key, number))
            if stored is not None:
                rungs[number] = measurements_from_json(stored["validation"])
        latest = await self._store.latest_round(key)
        return Progressed(rungs, 0 if latest is None else latest.round)


def tune_groups(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Trials by equal `tune`, in order of number."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.configuration.tune_key, []).append(trial)
    return list(groups.values())


def _stand(group: Sequence[Trial], *, between: bool) -> Stand:
    states = {trial.state for trial in group}
    if not all(state.final for state in states):
        return Stand.RUNNING if between else Stand.PAUSED
    if TrialState.COMPLETED in states:
        return Stand.FINISHED
    return Stand.STOPPED if TrialState.STOPPED in states else Stand.FAILED


def lowest_costs(objectives: Sequence[Objective], group: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """By device class that accepts a variant of a TUNE: the best figure of each cost over these variants."""
    costs: dict[str, dict[str, float]] = {}
    for trial in group:
        for name in trial.measurements.keys() - set(trial.refused_by):
            lowest = costs.setdefault(name, {})
            for objective in objectives:
                measured = trial.measurements[name].get(objective.metric)
                if measured is not None and objective.metric in COST_METRICS:
                    figures = (lowest.get(objective.metric, measured.mean), measured.mean)
                    lowest[objective.metric] = max(figures, key=lambda figure: objective.direction.sign * figure)
    return costs


def _points(study: Study, trials: Sequence[Trial]) -> dict[int, dict[str, Figures]]:
    """By trial number, then by device class: the objectives of every variant that may be on the class's front."""
    points: dict[int, dict[str, Figures]] = {}
    for name in {name for trial in trials for name in trial.measurements}:
        for trial in comparable_trials(study, trials, name):
            figures = trial.measurements[name]
            point = {objective.metric: figures[objective.metric].mean for objective in study.objectives}
            points.setdefault(trial.number, {})[name] = point
    return points
