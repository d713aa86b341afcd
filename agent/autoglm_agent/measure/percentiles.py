"""Percentiles that know how many samples they need and how uncertain they are.

A percentile p is given only from n samples with P(Binomial(n, 1 - p) <= 1) <= 1 %: fewer could by chance hold no
second sample beyond it. That is the early-stopping rule of MLPerf inference (Reddi et al. 2020, "MLPerf Inference
Benchmark"): 11 samples for p50, 64 for p90, 130 for p95, 662 for p99.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_agent.measure.errors import TooFewSamples
from autoglm_core.measurement import Measurement, Provenance

CHANCE = 0.01


def samples_needed(percentile: float) -> int:
    """Fewest samples from which the `percentile` (50 <= percentile < 100) may be given."""
    inside = percentile / 100
    count = 1
    while inside ** (count - 1) * (inside + count * (1 - inside)) > CHANCE:
        count += 1
    return count


def percentile_of_blocks(blocks: Sequence[NDArray[np.float64]], percentile: float) -> Measurement:
    """The percentile of all samples; its standard error from the spread of the blocks' own percentiles.

    Args:
        blocks: samples of each block, `(n_i,)`, in the unit of the figure. Samples of one block are correlated.
        percentile: in percent.

    Raises:
        TooFewSamples: fewer than `samples_needed`, or fewer than two blocks.
    """
    samples, needed = np.concatenate(blocks), samples_needed(percentile)
    if samples.size < needed or len(blocks) < 2:
        raise TooFewSamples(percentile=percentile, count=int(samples.size), needed=needed)
    by_block = np.array([np.percentile(block, percentile) for block in blocks])
    return Measurement(
        mean=float(np.percentile(samples, percentile)),
        standard_error=standard_error(by_block),
        count=int(samples.size),
        provenance=Provenance.MEASURED,
    )


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of independent `values` `(n,)`, n >= 2."""
    return float(np.std(values, ddof=1) / sqrt(values.size))
