"""One Pareto front per device class, over completed trials that are feasible on that class.

Figures of different provenance never share a front: where a class has measured and modelled energies side by side (a
meter was plugged in half-way), the front is taken over the larger group, measured ones winning a tie. A study with one
weighted sum has one pick per class, more only where scores are equal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autoglm_coordinator.report.distinct import distinct_picks
from autoglm_coordinator.report.goal_figures import goal_directions, goal_figures
from autoglm_coordinator.scheduler.ranking import ranks_of
from autoglm_coordinator.trials.feasible import classes_that_refuse
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import COST_METRICS, Objective
from autoglm_core.pareto import non_dominated
from autoglm_core.trial import Trial, TrialState

if TYPE_CHECKING:
    from autoglm_core.study import Study

LATENCIES = ("latency_p95_ms", "latency_p50_ms")


def pareto_fronts(study: Study, trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """The picks of each device class: its front, best first (see `best_first`), without points that are alike."""
    return {name: distinct_picks(study, _front(study, trials, name), name) for name in device_classes(study, trials)}


def device_classes(study: Study, trials: Sequence[Trial]) -> tuple[str, ...]:
    """The study's classes as declared, then any other that something was measured on."""
    measured = sorted({name for trial in trials for name in trial.measurements})
    return tuple(dict.fromkeys((*study.device_classes, *measured)))


def comparable_trials(
    study: Study, trials: Sequence[Trial], device_class: str, *, feasible: bool = True
) -> list[Trial]:
    """Completed trials with every objective measured on the class and in the same provenance; `feasible` ones alone."""
    complete = [trial for trial in trials if _is_complete(study, trial, device_class)]
    accepted = [trial for trial in complete if _is_feasible(study, trial, device_class)]
    groups = Counter(_provenances(study, trial, device_class) for trial in accepted or complete)
    if not groups:
        return []
    chosen = max(groups, key=lambda group: (groups[group], -group.count(Provenance.MODELLED), group))
    candidates = accepted if feasible else complete
    return [trial for trial in candidates if _provenances(study, trial, device_class) == chosen]


def ranks(study: Study, trials: Sequence[Trial]) -> dict[int, dict[str, int]]:
    """By trial number, then device class: 1 for the Pareto front, 2 for the front of the rest, and so on."""
    found: dict[int, dict[str, int]] = {}
    signs = np.array([direction.sign for direction in goal_directions(study).values()])
    for name in device_classes(study, trials):
        comparable = comparable_trials(study, trials, name)
        costs = -signs * goal_figures(study, comparable, name)
        for trial, rank in zip(comparable, ranks_of(costs).tolist(), strict=True):
            found.setdefault(trial.number, {})[name] = rank + 1
    return found


def primary_objective(study: Study) -> Objective:
    """The first objective that is no cost, else the first."""
    return next((item for item in study.objectives if item.metric not in COST_METRICS), study.objectives[0])


def _front(study: Study, trials: Sequence[Trial], device_class: str) -> list[Trial]:
    candidates = sorted(comparable_trials(study, trials, device_class), key=lambda trial: trial.number)
    if not candidates:
        return []
    values = goal_figures(study, candidates, device_class)
    kept = non_dominated(values, tuple(goal_directions(study).values()))
    front = [trial for trial, keep in zip(candidates, kept, strict=True) if keep]
    return _best_first(study, front, device_class)


def _best_first(study: Study, trials: Sequence[Trial], device_class: str) -> list[Trial]:
    primary = primary_objective(study)

    def rank(trial: Trial) -> tuple[float, float, int]:
        figures = trial.measurements[device_class]
        return -primary.direction.sign * figures[primary.metric].mean, _latency(figures), trial.number

    return sorted(trials, key=rank)


def _is_complete(study: Study, trial: Trial, device_class: str) -> bool:
    figures = trial.measurements.get(device_class, {})
    return trial.state is TrialState.COMPLETED and all(
        item.metric in figures and math.isfinite(figures[item.metric].mean) for item in study.objectives
    )


def _is_feasible(study: Study, trial: Trial, device_class: str) -> bool:
    if device_class in trial.refused_by:
        return False
    figures = trial.measurements.get(device_class, {})
    return not classes_that_refuse(study, trial.configuration, {device_class: figures})


def _provenances(study: Study, trial: Trial, device_class: str) -> tuple[Provenance, ...]:
    return tuple(trial.measurements[device_class][item.metric].provenance for item in study.objectives)


def _latency(figures: Mapping[str, Measurement]) -> float:
    return next((figures[name].mean for name in LATENCIES if name in figures), math.inf)
