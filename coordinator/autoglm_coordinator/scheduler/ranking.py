"""Which of several points is better when objectives conflict: non-dominated rank, then crowding distance.

Both as in Deb et al. 2002 (doi:10.1109/4235.996017): rank 0 is the Pareto front (people are told 1), rank 1 the front
of the rest, and so on; within a rank the point whose neighbours are farther apart comes first, so that what is kept
covers the front.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoglm_core.objective import Direction
from autoglm_core.pareto import non_dominated

Array = NDArray[np.float64]


def best_first(costs: Array) -> list[int]:
    """The rows of `costs` `(n, m)`, smaller is better, by rank and crowding; equal ones in the order given.

    What is not a number counts as the worst.
    """
    known = np.where(np.isnan(costs), np.inf, costs)
    ranks = ranks_of(known)
    crowding = np.zeros(len(known))
    for rank in set(ranks.tolist()):
        rows = np.flatnonzero(ranks == rank)
        crowding[rows] = crowding_of(known[rows])
    return sorted(range(len(known)), key=lambda row: (int(ranks[row]), -float(crowding[row])))


def ranks_of(costs: Array) -> NDArray[np.intp]:
    """`(n,)` the front that each row of `costs` `(n, m)` belongs to, counted from 0; what is not a number is worst."""
    costs = np.where(np.isnan(costs), np.inf, costs)
    ranks = np.full(len(costs), -1, dtype=np.intp)
    left = np.arange(len(costs))
    while left.size:
        front = non_dominated(costs[left], [Direction.MINIMIZE] * costs.shape[1])
        ranks[left[front]] = ranks.max(initial=-1) + 1
        left = left[~front]
    return ranks


def crowding_of(costs: Array) -> Array:
    """`(n,)` distance between the neighbours of each row on one front, summed over columns in units of their range.

    The ends of each column are infinitely far from others; a column that is constant, or not finite throughout, says
    nothing.
    """
    distance = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        values = column[order]
        if not np.isfinite(values).all() or values[0] == values[-1]:
            continue
        distance[order[1:-1]] += (values[2:] - values[:-2]) / (values[-1] - values[0])
        distance[order[[0, -1]]] = np.inf
    return distance
