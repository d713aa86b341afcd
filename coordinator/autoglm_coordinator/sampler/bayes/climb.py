"""The end of a search: uphill along real parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from autoglm_coordinator.sampler.bayes.acquisition import Acquisition

Array = NDArray[np.float64]
STEPS = 40
DIFFERENCE = 1e-6
DECIMALS = 4
"""Of what is found, finer than a TUNE tells apart. The last digits of a climb are rounding, which is not the same
everywhere; what is suggested should be."""


def climbed(promise: Acquisition, start: Array, columns: NDArray[np.intp]) -> Array:
    """What the encoding `start` `(d,)` holds in `columns` `(c,)` where the promise is locally highest, by L-BFGS.

    The gradient is by differences: a promise goes through models of classes, costs and constraints, and to predict a
    point with all its neighbours takes hardly longer than to predict it alone.
    """

    def loss(at: Array) -> tuple[float, Array]:
        points = np.tile(start, (len(columns) + 1, 1))
        points[:, columns] = at
        steps = np.where(at > 0.5, -DIFFERENCE, DIFFERENCE)
        points[np.arange(1, len(points)), columns] += steps
        promised = promise.modelled(points)
        return -float(promised[0]), (promised[0] - promised[1:]) / steps

    bounds = [(0.0, 1.0)] * len(columns)
    found = minimize(loss, start[columns], jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS})
    result: Array = np.round(found.x, DECIMALS)
    return result
