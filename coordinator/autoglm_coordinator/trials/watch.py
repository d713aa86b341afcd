"""Where a study stands, for whoever watches it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_coordinator.report.fronts import pareto_fronts
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState

if TYPE_CHECKING:
    from autoglm_coordinator.store.api import Store
    from autoglm_coordinator.trials.studies import Studies


@dataclass(frozen=True)
class Standing:
    """One look at a study.

    Times in seconds; `best`: the first objective's best validation figure, None before there is one.
    """

    state: str
    final: bool
    approved: int
    wanted: int
    trials_final: int
    trials_budget: int
    tunes: int
    stage: str
    round: int
    rounds: int
    sites: int
    sites_wanted: int
    best: float | None
    seconds: float
    seconds_left: float | None
    fronts: tuple[tuple[str, int], ...]
    error_code: str
    error: str


async def study_standing(study_id: str, studies: Studies, store: Store) -> Standing:
    """Look now.

    Raises:
        UnknownStudy: no study has that id.
    """
    record = await store.get_study(study_id)
    study = Study.from_json(json.loads(record.body))
    trials = await store.list_trials(study_id)
    running = studies.running(study_id)
    search = running.search if running else None
    halted = running.halted or running.progress.waiting if running else None
    seconds = search.seconds if search else record.active.total_seconds()
    wall = study.budget.wall.total_seconds() if study.budget.wall else None
    completed = [trial for trial in trials if trial.state is TrialState.COMPLETED]
    fronts = pareto_fronts(study, trials) if completed else {}
    return Standing(
        state=str(record.state),
        final=record.state.final,
        approved=running.approved if running else 0,
        wanted=running.wanted if running else 0,
        trials_final=sum(trial.state.final for trial in trials),
        trials_budget=study.budget.trials,
        tunes=len({trial.configuration.tune_key for trial in completed}),
        stage=running.progress.stage if running else "",
        round=running.progress.round if running else 0,
        rounds=study.rounds,
        sites=running.progress.sites if running else 0,
        sites_wanted=running.sites_wanted if running else 0,
        best=_best(study, completed),
        seconds=round(seconds, 1),
        seconds_left=None if wall is None or record.state.final else max(0.0, round(wall - seconds, 1)),
        fronts=tuple((name, len(front)) for name, front in sorted(fronts.items())),
        error_code=halted.code if halted else str(record.outcome.get("code", "")),
        error=halted.message if halted else str(record.outcome.get("message", "")),
    )


def _best(study: Study, completed: list[Trial]) -> float | None:
    objective = study.objectives[0]
    values = [
        figures[objective.metric].mean
        for trial in completed
        for figures in trial.measurements.values()
        if objective.metric in figures
    ]
    if not values:
        return None
    return max(values) if objective.direction == "maximize" else min(values)
