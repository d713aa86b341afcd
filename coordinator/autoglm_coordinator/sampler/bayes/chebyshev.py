"""Many goals as one: a random augmented Chebyshev sum (ParEGO, Knowles 2006, doi:10.1109/TEVC.2005.851274).

The number of boxes that a front of n points leaves free grows like n^(m / 2), so beyond a few goals hypervolume is no
figure to search by. Other weights at every suggestion reach every part of the front in turn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.targets import Target, Targets

Array = NDArray[np.float64]
AUGMENTATION = 0.05


def scalarised(targets: Targets, rng: np.random.Generator) -> Targets:
    """`targets` with one goal in place of all; a row that lacks a figure which others have has no value."""
    known = np.isfinite(targets.values).any(axis=0)
    values = np.full(len(targets.rows), np.nan)
    if known.any():
        weighted = _unit_range(targets.values[:, known]) * rng.dirichlet(np.ones(known.sum()))
        values = weighted.min(axis=1) + AUGMENTATION * weighted.sum(axis=1)
    goal = Target(
        values=values,
        variances=np.where(np.isfinite(values), 0.0, np.nan),
        exact=all(target.exact for target in targets.goals),
        trained=any(target.trained for target in targets.goals),
    )
    return replace(targets, goals=(goal,))


def _unit_range(values: Array) -> Array:
    """Each column between 0 at its best and -1 at its worst: Chebyshev's is a distance from the ideal."""
    best, worst = np.nanmax(values, axis=0), np.nanmin(values, axis=0)
    span = np.where(best > worst, best - worst, 1.0)
    result: Array = (values - best) / span
    return result
