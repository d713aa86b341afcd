"""Which points of a set no other point beats: the Pareto front.

Definition 1 of Deb et al. 2002 (doi:10.1109/4235.996017): a dominates b when it is nowhere worse and somewhere better.
Sorting methods with a better exponent were rejected: a study has some thousand trials at most, and vectorised
comparisons of all with all are enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoglm_core.errors import InvalidInput
from autoglm_core.objective import Direction

BLOCK = 64
"""Points that are compared with all others at a time."""


class WrongValues(InvalidInput):
    """Values do not have one column per direction."""

    code = "wrong-values"

    def __init__(self, *, expected: int, received: str) -> None:
        super().__init__(
            f"expected values of shape (n, {expected}), received {received}", expected=expected, received=received
        )


def non_dominated(values: NDArray[np.float64], directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """The points on the front of `values`, `(n, m)`, one row per point and one column per direction.

    Equal points do not dominate each other: all copies of a point on the front are kept. A point with NaN in any
    column dominates nothing and is not on the front, for it was not fully measured. Infinities compare as numbers.

    Returns:
        `(n,)` bool.

    Raises:
        WrongValues: `values` is not `(n, len(directions))`.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise WrongValues(expected=len(directions), received=str(values.shape))
    costs = values * np.array([-direction.sign for direction in directions])
    front: NDArray[np.bool_] = ~np.isnan(costs).any(axis=1)
    points = costs[front]
    blocks = [points[start : start + BLOCK] for start in range(0, len(points), BLOCK)]
    front[front] = np.concatenate([~_dominated(block, points) for block in blocks] or [np.empty(0, dtype=bool)])
    return front


def _dominated(block: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`(k,)`: which of `block` `(k, m)` some of `points` `(n, m)` dominates; both are costs."""
    nowhere_worse = np.ones((len(block), len(points)), dtype=bool)
    somewhere_better = np.zeros_like(nowhere_worse)
    # Column by column, and not over an array of (k, n, m): it stays in the cache.
    for column, own in zip(points.T, block.T, strict=True):
        nowhere_worse &= column <= own[:, None]
        somewhere_better |= column < own[:, None]
    return np.asarray((nowhere_worse & somewhere_better).any(axis=1))
