"""How alike the values at two inputs are, by their squared distance in lengthscales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SQRT5 = sqrt(5.0)


@dataclass(frozen=True)
class Kernel:
    """`correlation`, 1 at distance 0, and its `slope` by the squared distance."""

    name: str
    correlation: Callable[[Array], Array]
    slope: Callable[[Array], Array]


def _matern(squared: Array) -> Array:
    r = SQRT5 * np.sqrt(squared)
    result: Array = (1 + r + r * r / 3) * np.exp(-r)
    return result


def _matern_slope(squared: Array) -> Array:
    r = SQRT5 * np.sqrt(squared)
    result: Array = -5 / 6 * (1 + r) * np.exp(-r)
    return result


def _squared_exponential(squared: Array) -> Array:
    result: Array = np.exp(-0.5 * squared)
    return result


def _squared_exponential_slope(squared: Array) -> Array:
    result: Array = -0.5 * np.exp(-0.5 * squared)
    return result


MATERN = Kernel("Matern 5/2", _matern, _matern_slope)
"""Of functions with two derivatives."""
SQUARED_EXPONENTIAL = Kernel("squared exponential", _squared_exponential, _squared_exponential_slope)
"""Of functions with all derivatives, polynomials among them: it learns those from far fewer values."""
KERNELS = (MATERN, SQUARED_EXPONENTIAL)
