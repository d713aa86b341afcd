"""What a configuration promises: the hypervolume it is expected to add, if it is feasible.

The reference point decides what a search is after. From the worst figures seen, the ends of the front weigh most;
from the front's own nadir, its middle does. Suggestions take turns: one extends the front, the next refines it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.boxes import free_boxes
from autoglm_coordinator.sampler.bayes.improvement import log_improvement
from autoglm_coordinator.sampler.bayes.surrogate import Surrogate
from autoglm_core.objective import Direction
from autoglm_core.pareto import non_dominated

Array = NDArray[np.float64]
MARGIN = 0.1
"""By how much of the span the reference point lies below."""
LEAST_SPAN = 1e-3
MOST_ON_FRONT = {1: 1, 2: 200, 3: 100, 4: 50}
"""Points of a front that are counted with, by the number of goals: the boxes between them grow like n^(m / 2)."""

Acquisition = Callable[[Array], Array]
"""Encoded configurations `(k, d)` -> log of what each promises `(k,)`."""


def acquisition(surrogate: Surrogate, counted: Array, *, extend: bool) -> Acquisition:
    """The acquisition function, given the encodings `counted` `(n, d)` of what counts for the front.

    Where nothing counts yet, a configuration promises to be feasible.

    Args:
        surrogate: of at most four goals.
        counted: completed feasible configurations, and those believed to become so.
        extend: whether this suggestion is after the ends of the front.
    """
    if not len(counted):
        return surrogate.log_feasible
    values = surrogate.predict(counted)[0]
    front = values[non_dominated(values, (Direction.MAXIMIZE,) * values.shape[1])]
    reference = _reference(values, front, extend=extend)
    boxes = free_boxes(thinned(front, MOST_ON_FRONT[values.shape[1]]), reference)

    def promise(inputs: Array) -> Array:
        mean, deviation = surrogate.predict(inputs)
        return log_improvement(mean, deviation, boxes) + surrogate.log_feasible(inputs)

    return promise


def thinned(front: Array, most: int) -> Array:
    """At most `most` points of `front` `(n, m)`, each the farthest from those before it; its best corner first."""
    if len(front) <= most:
        return front
    chosen = [int(np.argmax(front.sum(axis=1)))]
    distance = np.linalg.norm(front - front[chosen[0]], axis=1)
    while len(chosen) < most:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(front - front[chosen[-1]], axis=1))
    rest: Array = front[np.sort(chosen)]
    return rest


def _reference(values: Array, front: Array, *, extend: bool) -> Array:
    worst, best = values.min(axis=0), values.max(axis=0)
    outer: Array = worst - MARGIN * np.maximum(best - worst, LEAST_SPAN)
    if extend:
        return outer
    nadir = front.min(axis=0)
    span = front.max(axis=0) - nadir
    inner: Array = np.where(span > 0, nadir - MARGIN * span, outer)
    return inner
