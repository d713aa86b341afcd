"""How far each front had come after each trial: the hypervolume that it dominates.

Scores count as they are and costs by their logarithm, as for the sampler, so that 10 % of latency is worth the same
everywhere. The reference point lies a tenth of the span of each objective below the worst figure, and the volume is
told as a share of the box between it and the best figures. Both are fixed once, over all trials: a share that moved
with every trial could fall although nothing was lost. Beyond four objectives a volume costs too much and says too
little; there is none then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.report.fronts import comparable_trials, device_classes
from autoglm_coordinator.report.goal_figures import goal_directions, goal_figures
from autoglm_coordinator.sampler.bayes.boxes import hypervolume
from autoglm_core.canonical import Json
from autoglm_core.objective import COST_METRICS, Direction
from autoglm_core.pareto import non_dominated
from autoglm_core.trial import Trial

if TYPE_CHECKING:
    from autoglm_core.study import Study

Array = NDArray[np.float64]
MOST_GOALS = 4
MARGIN = 0.1
"""Share of an objective's span between its worst figure and the reference point."""


def front_growth(study: Study, trials: Sequence[Trial]) -> Json:
    """By device class: `{reference, steps: [{trial, share}]}`, a step for each trial that raised the share."""
    return {name: grown for name in device_classes(study, trials) if (grown := _of_class(study, trials, name))}


def _of_class(study: Study, trials: Sequence[Trial], device_class: str) -> Json:
    comparable = sorted(comparable_trials(study, trials, device_class), key=lambda trial: trial.number)
    directions = goal_directions(study)
    if not comparable or len(directions) > MOST_GOALS:
        return {}
    names, signs = list(directions), np.array([direction.sign for direction in directions.values()])
    rows = goal_figures(study, comparable, device_class)
    costs = np.array([name in COST_METRICS for name in names]) & (rows > 0).all(axis=0)
    points = np.where(costs, np.log(np.where(costs, rows, 1.0)), rows) * signs
    worst, best = points.min(axis=0), points.max(axis=0)
    reference = worst - MARGIN * np.where(best > worst, best - worst, 1.0)
    figures = np.where(costs, np.exp(reference * signs), reference * signs)
    steps = _steps([trial.number for trial in comparable], points, reference, whole=float(np.prod(best - reference)))
    return {"reference": dict(zip(names, figures.tolist(), strict=True)), "steps": steps}


def _steps(numbers: Sequence[int], points: Array, reference: Array, *, whole: float) -> list[Json]:
    """`points` `(n, m)`, larger is better, in order of trial number."""
    front, volume, steps = points[:0], 0.0, []
    for number, point in zip(numbers, points, strict=True):
        if (front >= point).all(axis=1).any():
            continue
        volume += _gain(point, front, reference)
        front = np.vstack([front[~(point >= front).all(axis=1)], point])
        steps.append({"trial": number, "share": round(volume / whole, 6)})
    return steps


def _gain(point: Array, front: Array, reference: Array) -> float:
    """What `point` dominates and `front` does not: While et al. 2012, doi:10.1109/TEVC.2010.2077298."""
    within = np.minimum(front, point)
    kept = np.unique(within[non_dominated(within, (Direction.MAXIMIZE,) * point.size)], axis=0)
    return float(np.prod(point - reference)) - hypervolume(kept, reference)
