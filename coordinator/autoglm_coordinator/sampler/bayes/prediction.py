"""What is predicted of a configuration, as its user reads it: in the metrics' own units, by label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_coordinator.sampler.bayes.chebyshev import SUM

Array = NDArray[np.float64]


def predicted(belief: Belief, inputs: Array) -> list[Mapping[str, tuple[float, float]]]:
    """Mean and spread by label (`accuracy`, `gateway/latency_p95_ms`) for each of the encodings `inputs` `(k, d)`.

    What is known before training has a spread of 0. A search of more than four objectives models their sums, so only
    metrics with a bound are told.
    """
    found = belief.predict(inputs)
    columns = [(number, column) for number, column in enumerate(belief.columns) if column.metric != SUM]
    return [
        {column.label: column.in_own_unit(mean[number], spread[number]) for number, column in columns}
        for mean, spread in zip(found.mean, found.deviation, strict=True)
    ]


def log_feasible(belief: Belief, inputs: Array) -> Array:
    """Log probability `(k,)` of meeting all constraints on the device class that is the likeliest to accept."""
    result: Array = belief.log_feasible(belief.predict(inputs)).max(axis=1)
    return result
