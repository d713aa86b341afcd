"""Many goals as one: a random augmented Chebyshev sum (ParEGO, Knowles 2006, doi:10.1109/TEVC.2005.851274).

The number of boxes that a front of n points leaves free grows like n^(m / 2), so beyond a few goals hypervolume is no
figure to search by. Other weights at every suggestion reach every part of the front in turn. The sum is a column of its
own for each device class, and of the metrics only those with a bound stay columns: fifty are not modelled one by one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.columns import Column
from autoglm_coordinator.sampler.bayes.outcomes import Goal, Limit, Outcomes, Term
from autoglm_coordinator.sampler.bayes.targets import ClassTargets, Targets

Array = NDArray[np.float64]
MOST_GOALS = 4
"""More are searched as one random sum at a time."""
AUGMENTATION = 0.05
SUM = "sum"
"""Stands for the metric of such a column; no metric of a workload, so nothing else has it."""


def scalarised(targets: Targets, rng: np.random.Generator) -> Targets:
    """`targets` with one goal in place of all; a row that lacks a figure which others have has no value."""
    weights = rng.dirichlet(np.ones(len(targets.classes[0].outcomes.goals)))
    bounded = sorted({limit.column for entry in targets.classes for limit in entry.outcomes.limits})
    columns, classes = [targets.columns[number] for number in bounded], []
    for entry in targets.classes:
        outcomes = Outcomes(
            entry.outcomes.device_class,
            goals=(Goal((Term(len(columns), 1.0),)),),
            limits=tuple(Limit(bounded.index(limit.column), limit.bound) for limit in entry.outcomes.limits),
        )
        columns.append(_sum(entry, targets, weights))
        classes.append(replace(entry, outcomes=outcomes))
    return replace(targets, columns=tuple(columns), classes=tuple(classes))


def _sum(entry: ClassTargets, targets: Targets, weights: Array) -> Column:
    goals = entry.outcomes.values(targets.values)
    known = np.isfinite(goals).any(axis=0)
    values = np.full(len(targets.rows), np.nan)
    if known.any():
        weighted = _unit_range(goals[:, known]) * (weights[known] / weights[known].sum())
        values = weighted.min(axis=1) + AUGMENTATION * weighted.sum(axis=1)
    used = {term.column for goal in entry.outcomes.goals for term in goal.terms}
    return Column(
        metric=SUM,
        device_class=entry.outcomes.device_class,
        values=values,
        variances=np.where(np.isfinite(values), 0.0, np.nan),
        logarithmic=False,
        exact=all(targets.columns[number].exact for number in used),
        trained=any(targets.columns[number].trained for number in used),
        sign=1.0,
    )


def _unit_range(values: Array) -> Array:
    """Each column between 0 at its best and -1 at its worst: Chebyshev's is a distance from the ideal."""
    best, worst = np.nanmax(values, axis=0), np.nanmin(values, axis=0)
    span = np.where(best > worst, best - worst, 1.0)
    result: Array = (values - best) / span
    return result
