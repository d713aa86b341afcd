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
from autoglm_coordinator.sampler.bayes.acquisition import MARGIN, below_worst, promise_above
from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_core.reason import told

Array = NDArray[np.float64]


def outlook_of(belief: Belief, inputs: Array, seconds: Sequence[float | None]) -> Outlook | None:
    """Of the best for its cost of suggestions with the encodings `inputs` `(k, d)`; None while a class has no front.

    `seconds`: what each is expected to take; where that is not known of all, the one that gains most is the best.
    """
    if not belief.counted.any(axis=0).all():
        return None
    promise = promise_above(belief, lambda values, _: below_worst(values, MARGIN))
    gains = np.exp(promise(inputs)) / promise.volume
    costs = np.array([cost if cost is not None else math.nan for cost in seconds])
    if np.isnan(costs).any():
        return Outlook(told(gains.max()), None)
    first = int(np.argmax(gains / costs))
    return Outlook(told(gains[first]), told(costs[first]))
