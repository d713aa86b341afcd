"""Log expected hypervolume improvement in closed form, for objectives that are independent Gaussians.

A point adds, box by box of the free region, the product over the objectives of how far it reaches into the box; under
independence the expectation of the product is the product of one-dimensional expectations. Logarithms throughout:
where nothing is likely to improve, the plain value is 0 everywhere and says nothing about where to look (Ament et al.
2023, arXiv:2310.20708).
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

from autoglm_coordinator.sampler.bayes.boxes import Boxes

Array = NDArray[np.float64]
_LOG_SQRT_2PI = 0.5 * log(2 * pi)
_TINY = 1e-300


def log_improvement(mean: Array, deviation: Array, boxes: Boxes) -> Array:
    """Log of the expected hypervolume that a point adds, `(k,)`, for predictions `mean`, `deviation` `(k, m)`."""
    total = np.zeros((len(mean), len(boxes.lower)))
    for j in range(mean.shape[1]):
        # Boxes share most of their bounds.
        edges, place = np.unique(np.concatenate([boxes.lower[:, j], boxes.upper[:, j]]), return_inverse=True)
        reach = np.full((len(mean), len(edges)), -np.inf)
        finite = np.isfinite(edges)
        reach[:, finite] = _log_expected_excess((mean[:, j, None] - edges[finite]) / deviation[:, j, None])
        low, high = reach[:, place[: len(boxes.lower)]], reach[:, place[len(boxes.lower) :]]
        within = np.log(np.maximum(-np.expm1(np.minimum(high - low, 0.0)), _TINY))
        total += np.log(deviation[:, j, None]) + low + within
    peak = total.max(axis=1)
    result: Array = peak + np.log(np.exp(total - peak[:, None]).sum(axis=1))
    return result


def _log_expected_excess(z: Array) -> Array:
    """log(pdf(z) + z cdf(z)): of how much a standard normal exceeds -z."""
    out = np.empty_like(z)
    near = z > -1.0
    a = z[near]
    out[near] = np.log(np.exp(-0.5 * a * a - _LOG_SQRT_2PI) + a * ndtr(a))
    b = z[~near]
    # Far below, pdf and z cdf cancel: pdf times (1 - |z| Mills' ratio), which tends to 1 / z^2.
    factor = 1 + b * sqrt(pi / 2) * erfcx(-b / sqrt(2.0))
    factor = np.where(b < -1e4, 1 / (b * b), np.maximum(factor, _TINY))
    out[~near] = -0.5 * b * b - _LOG_SQRT_2PI + np.log(factor)
    return out
