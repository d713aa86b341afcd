"""Real-valued sums of unknown magnitude as pairs of additive counters.

One fixed-point scale cannot serve a column of incomes and one of concentrations: the square of the first overflows
where the second vanishes. So a sum is split into a coarse part, a whole number of 2^20, and a fine part in [0, 2^20)
with 30 binary digits after the point. Both parts are additive, each far from the ring's limit: magnitudes from 1e-9 to
1e24 pass, whatever the column's unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, Counters

UNIT = 2.0**20
FINE_SCALE = 2.0**30

Floats = NDArray[np.float64]


def wide_fields(name: str, shape: tuple[int, ...]) -> tuple[CounterField, CounterField]:
    """The two counters of the sum `name`."""
    return CounterField(f"{name}_coarse", shape), CounterField(f"{name}_fine", shape, FINE_SCALE)


def split_sum(name: str, values: Floats) -> dict[str, Floats]:
    """The two counters that hold `values`."""
    coarse = np.floor(values / UNIT)
    return {f"{name}_coarse": coarse, f"{name}_fine": values - coarse * UNIT}


def joined_sum(name: str, counters: Counters) -> Floats:
    """The sum back from its (summed) counters."""
    return np.asarray(counters[f"{name}_coarse"] * UNIT + counters[f"{name}_fine"])
