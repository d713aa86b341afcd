"""Which points of a set no other point beats: the Pareto front.

Definition 1 of Deb et al. 2002 (doi:10.1109/4235.996017): a dominates b when it is nowhere worse and somewhere better.
Sorting methods with a better exponent were rejected: a study has some thousand trials at most, and one vectorised
comparison per point is enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoglm_core.errors import InvalidInput
from autoglm_core.objective import Direction


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
    front[front] = [not _dominated(point, points) for point in points]
    return front


def _dominated(point: NDArray[np.float64], points: NDArray[np.float64]) -> bool:
    nowhere_worse = (points <= point).all(axis=1)
    somewhere_better = (points < point).any(axis=1)
    return bool((nowhere_worse & somewhere_better).any())
