"""What suggestions promise, against what there is: the expected gain as a share of the hypervolume, for its cost.

Gain and hypervolume are over all device classes, above one reference point: a tenth of the span below the worst figures
that count, costs by their logarithm. What is under way counts as it is predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.api import Outlook
from autoglm_coordinator.sampler.bayes.acquisition import (
    LEAST_SPAN,
    MARGIN,
    MOST_ON_FRONT,
    Promise,
    thinned,
)
from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_coordinator.sampler.bayes.boxes import free_boxes, hypervolume
from autoglm_core.objective import Direction
from autoglm_core.pareto import non_dominated
from autoglm_core.reason import told

Array = NDArray[np.float64]


def outlook_of(belief: Belief, inputs: Array, seconds: Sequence[float | None]) -> Outlook | None:
    """Of the best for its cost of suggestions with the encodings `inputs` `(k, d)`; None while a class has no front.

    `seconds`: what each is expected to take; where that is not known of all, the one that gains most is the best.
    """
    predicted = belief.predict(belief.seen)
    boxes, volume = [], 0.0
    for entry, counted in zip(belief.surrogate.classes, belief.counted.T, strict=True):
        if not counted.any():
            return None
        values = entry.goals(predicted)[0][counted]
        front = thinned(_front(values), MOST_ON_FRONT[values.shape[1]])
        worst, best = values.min(axis=0), values.max(axis=0)
        reference = worst - MARGIN * np.maximum(best - worst, LEAST_SPAN)
        boxes.append(free_boxes(front, reference, entry.most))
        volume += hypervolume(front, reference)
    gains = np.exp(Promise(belief, tuple(boxes), volume)(inputs)) / volume
    costs = np.array([cost if cost is not None else math.nan for cost in seconds])
    if np.isnan(costs).any():
        return Outlook(told(gains.max()), None)
    first = int(np.argmax(gains / costs))
    return Outlook(told(gains[first]), told(costs[first]))


def _front(values: Array) -> Array:
    return values[non_dominated(values, (Direction.MAXIMIZE,) * values.shape[1])]
