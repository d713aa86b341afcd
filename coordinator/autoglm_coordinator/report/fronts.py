"""One Pareto front per device class, over completed trials that are feasible on that class.

Figures of different provenance never share a front: where a class has measured and modelled energies side by side (a
meter was plugged in half-way), the front is taken over the larger group, measured ones winning a tie. A study with one
weighted sum has one pick per class, more only where scores are equal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from autoglm_coordinator.report.distinct import distinct_picks
from autoglm_coordinator.trials.feasible import classes_that_refuse
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import COST_METRICS, Objective, Weighted
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


def comparable_trials(study: Study, trials: Sequence[Trial], device_class: str) -> list[Trial]:
    """Completed trials, feasible on the class, with every objective measured and in the same provenance."""
    complete = [trial for trial in trials if _is_complete(study, trial, device_class)]
    groups = Counter(_provenances(study, trial, device_class) for trial in complete)
    if not groups:
        return []
    chosen = max(groups, key=lambda group: (groups[group], -group.count(Provenance.MODELLED), group))
    return [trial for trial in complete if _provenances(study, trial, device_class) == chosen]


def primary_objective(study: Study) -> Objective:
    """The first objective that is no cost, else the first."""
    return next((item for item in study.objectives if item.metric not in COST_METRICS), study.objectives[0])


def _front(study: Study, trials: Sequence[Trial], device_class: str) -> list[Trial]:
    candidates = sorted(comparable_trials(study, trials, device_class), key=lambda trial: trial.number)
    if not candidates:
        return []
    if study.weighted is not None:
        scores = _scores(study, study.weighted, candidates, device_class)
        return [trial for trial, score in zip(candidates, scores, strict=True) if score == max(scores)]
    values = np.array([_values(study, trial, device_class) for trial in candidates])
    kept = non_dominated(values, [objective.direction for objective in study.objectives])
    front = [trial for trial, keep in zip(candidates, kept, strict=True) if keep]
    return _best_first(study, front, device_class)


def _best_first(study: Study, trials: Sequence[Trial], device_class: str) -> list[Trial]:
    primary = primary_objective(study)

    def rank(trial: Trial) -> tuple[float, float, int]:
        figures = trial.measurements[device_class]
        return -primary.direction.sign * figures[primary.metric].mean, _latency(figures), trial.number

    return sorted(trials, key=rank)


def _is_complete(study: Study, trial: Trial, device_class: str) -> bool:
    if trial.state is not TrialState.COMPLETED or device_class in trial.refused_by:
        return False
    figures = trial.measurements.get(device_class, {})
    if not all(item.metric in figures and math.isfinite(figures[item.metric].mean) for item in study.objectives):
        return False
    return not classes_that_refuse(study, trial.configuration, {device_class: figures})


def _provenances(study: Study, trial: Trial, device_class: str) -> tuple[Provenance, ...]:
    return tuple(trial.measurements[device_class][item.metric].provenance for item in study.objectives)


def _values(study: Study, trial: Trial, device_class: str) -> list[float]:
    return [trial.measurements[device_class][item.metric].mean for item in study.objectives]


def _latency(figures: Mapping[str, Measurement]) -> float:
    return next((figures[name].mean for name in LATENCIES if name in figures), math.inf)


def _scores(study: Study, weighted: Weighted, trials: Sequence[Trial], device_class: str) -> list[float]:
    """One score per trial; costs relative to the reference's, or to the median where it was not completed."""
    metrics = [item.metric for item in study.objectives]
    figures = [{name: trial.measurements[device_class][name].mean for name in metrics} for trial in trials]
    reference = [row for row, trial in zip(figures, trials, strict=True) if _is_reference(study, trial)] or figures
    units = {name: median(row[name] for row in reference) for name in metrics}
    return [weighted.score(study.objectives, row, reference=units) for row in figures]


def _is_reference(study: Study, trial: Trial) -> bool:
    return trial.configuration == study.reference_configuration
