"""Activation ranges from histograms that can be summed over sites.

A range (min, max) is not additive and gives one row of one site away; a histogram over fixed bins is additive and
travels in the secure sum. Bins are log-spaced, eight to the octave, because nobody knows the magnitude before; a range
read from them is at most 9 % too wide, an eighth of a bit. The top 0.01 % of the values may be clipped: one outlier
must not cost everyone resolution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Chain
from autoglm_compression.models.quantize import ActivationRange
from autoglm_compression.models.session import open_session, run_batches
from autoglm_core.counters import CounterField, CounterLayout, Counters

BINS_PER_OCTAVE = 8
LOWEST_EXPONENT = -20
HIGHEST_EXPONENT = 20
BINS = (HIGHEST_EXPONENT - LOWEST_EXPONENT) * BINS_PER_OCTAVE + 2
"""Magnitudes below 2^-20 share the first bin, above 2^20 the last."""
COVERED = 0.9999

Histogram = NDArray[np.float64]


def histogram_layout(layers: tuple[str, ...]) -> CounterLayout:
    """One field `input/<layer>` `(2, BINS)` for each layer: counts of negative and of other values by magnitude."""
    return CounterLayout(tuple(CounterField(f"input/{name}", (2, BINS)) for name in layers))


def histogram(values: NDArray[np.float32]) -> Histogram:
    """`(2, BINS)` counts of `values` of any shape; values that are not finite are left out."""
    finite = values[np.isfinite(values)].astype(np.float64)
    magnitude = np.maximum(np.abs(finite), 2.0 ** (LOWEST_EXPONENT - 1))
    place = np.floor((np.log2(magnitude) - LOWEST_EXPONENT) * BINS_PER_OCTAVE) + 1
    place = np.clip(place, 0, BINS - 1).astype(np.int64)
    flat = np.bincount((finite >= 0) * BINS + place, minlength=2 * BINS)
    return flat.reshape(2, BINS).astype(np.float64)


def collect(model: bytes, inputs: NDArray[np.float32], layers: tuple[str, ...]) -> Counters:
    """Histograms of a calibration model's watched outputs, which follow its logits in the order of `layers`."""
    totals = {f"input/{name}": np.zeros((2, BINS)) for name in layers}
    for outputs in run_batches(open_session(model), inputs):
        for name, values in zip(layers, outputs[1:], strict=True):
            totals[f"input/{name}"] += histogram(values)
    return totals


def ranges(histograms: Counters, layers: tuple[str, ...]) -> dict[str, ActivationRange]:
    """Range of each layer's input that covers all but 0.01 % of its values on either side."""
    return {name: _range(np.asarray(histograms[f"input/{name}"])) for name in layers}


def plausible_histograms(chain: Chain, layers: tuple[str, ...]) -> Counters:
    """Histograms of a chain that nobody trained: magnitudes about 1 after every layer."""
    values = np.linspace(0.0, 4.0, 257, dtype=np.float32)
    signed = {chain.layers[0].name}
    return {
        f"input/{name}": histogram(np.concatenate([-values, values]) if name in signed else values) for name in layers
    }


def _range(counts: Histogram) -> ActivationRange:
    total = counts.sum()
    if total == 0:
        return ActivationRange(-1.0, 1.0)
    low, high = (_edge(side, total) for side in counts)
    return ActivationRange(-low, high) if low or high else ActivationRange(0.0, 1.0)


def _edge(side: Histogram, total: float) -> float:
    """Upper edge of the last bin that is needed to leave at most 0.01 % of all values beyond; 0 if none is."""
    beyond = np.cumsum(side[::-1])[::-1]
    needed = np.flatnonzero(beyond > (1 - COVERED) * total)
    if not needed.size or needed[-1] == 0:
        return 0.0
    return float(2.0 ** (LOWEST_EXPONENT + needed[-1] / BINS_PER_OCTAVE))
