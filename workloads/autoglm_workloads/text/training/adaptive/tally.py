"""Adding up of a round's gradient statistics, and what of them and of the decisions may leave a site. No torch.

Only sums leave, through the secure sum: norms, estimates of signal and noise, and how often each rule fired. Which step
a rule fired at stays at the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_workloads.text.training.adaptive.controller import REASONS
from autoglm_workloads.text.training.adaptive.statistics import GradientStatistics

if TYPE_CHECKING:
    from autoglm_workloads.text.training.adaptive.decisions import Decision

SCALE = 2.0**20
"""Fixed-point scale: a millionth, with room for 4e12."""
CEILING = 1e6
"""A single figure counts for at most this much: a steep start must not overflow the ring."""


class Tally:
    """Grows into a `GradientStatistics`."""

    def __init__(self) -> None:
        self._sums = dict.fromkeys((field.name for field in fields(GradientStatistics)), 0.0)

    def add_step(self, norm: float) -> None:
        """A step's gradient had `norm`; one that overflowed counts as a step alone."""
        self._add("steps", 1.0)
        if isfinite(norm):
            self._add("norm_sum", norm)
            self._add("norm_squared_sum", norm**2)

    def add_window(self, signal: float, noise: float) -> None:
        """Estimates of one window."""
        self._add("windows", 1.0)
        self._add("signal_sum", signal)
        self._add("noise_sum", noise)

    def add_curvature(self, figure: float) -> None:
        """One measurement."""
        if isfinite(figure):
            self._add("curvatures", 1.0)
            self._add("curvature_sum", figure)

    def total(self) -> GradientStatistics:
        """The sums so far."""
        sums = {name: int(value) if name in _COUNTS else value for name, value in self._sums.items()}
        return GradientStatistics(**sums)  # type: ignore[arg-type]

    def _add(self, name: str, figure: float) -> None:
        self._sums[name] += min(max(figure, -CEILING), CEILING)


_COUNTS = ("steps", "windows", "curvatures")


def statistics_layout() -> CounterLayout:
    """Counters of a round's statistics and decisions; `decisions/REASON`: how often a rule fired."""
    sums = [
        CounterField(field.name, (), 1.0 if field.name in _COUNTS else SCALE) for field in fields(GradientStatistics)
    ]
    return CounterLayout((*sums, *(CounterField(f"decisions/{reason}") for reason in REASONS)))


def statistics_counters(statistics: GradientStatistics, decisions: Sequence[Decision]) -> Counters:
    """Counters of `statistics_layout`."""
    sums = {field.name: np.array(float(getattr(statistics, field.name))) for field in fields(GradientStatistics)}
    reasons = [decision.reason for decision in decisions]
    return sums | {f"decisions/{reason}": np.array(float(reasons.count(reason))) for reason in REASONS}
