"""What the columns mean for one device class: its goals, and whether its constraints hold.

A goal is made of columns after they are predicted, so a weighted sum is predicted from its metrics, each modelled in
its own unit, and what is known of a shape counts in it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from autoglm_core.bound import Bound

Array = NDArray[np.float64]
SURE = 1e6
"""Deviations between a figure that is known for certain and its bound, so that logarithms stay finite."""


@dataclass(frozen=True)
class Term:
    """`factor` times what stands in `column`, or times its exponential where the goal is about the `plain` figure."""

    column: int
    factor: float
    plain: bool = False


@dataclass(frozen=True)
class Goal:
    """A sum of terms; larger is better. `most`: what it cannot exceed, whatever is predicted."""

    terms: tuple[Term, ...]
    most: float = inf

    def of(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Mean and deviation `(k,)` from those of the columns `(k, c)`, whose errors are taken as independent.

        Of an exponential: its median and, to first order, its deviation, which stays moderate where nothing is known.
        """
        total, variance = np.zeros(len(mean)), np.zeros(len(mean))
        for term in self.terms:
            middle, spread = mean[:, term.column], deviation[:, term.column]
            if term.plain:
                middle = np.exp(middle)
                spread = middle * spread
            total = total + term.factor * middle
            variance = variance + (term.factor * spread) ** 2
        return total, np.sqrt(variance)


@dataclass(frozen=True)
class Limit:
    """`bound` on what stands in `column`, in the column's unit."""

    column: int
    bound: Bound

    def log_probability(self, mean: Array, deviation: Array) -> Array:
        """That it holds, `(k,)`, from the columns' predictions `(k, c)`; a deviation of 0 is certainty."""
        middle, spread = mean[:, self.column], deviation[:, self.column]
        gap = self.bound.limit - middle if self.bound.upper else middle - self.bound.limit
        known = np.where((gap > 0) | ((gap == 0) & (not self.bound.strict)), SURE, -SURE)
        with np.errstate(divide="ignore", invalid="ignore"):
            result: Array = log_ndtr(np.clip(np.where(spread > 0, gap / spread, known), -SURE, SURE))
        return result


@dataclass(frozen=True)
class Outcomes:
    """Of `device_class`: the goals of its front and the bounds of its constraints."""

    device_class: str
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...]

    def goals_of(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Mean and deviation `(k, m)` of the goals from those of the columns `(k, c)`."""
        parts = [goal.of(mean, deviation) for goal in self.goals]
        return np.stack([part[0] for part in parts], axis=1), np.stack([part[1] for part in parts], axis=1)

    def values(self, columns: Array) -> Array:
        """Goals `(n, m)` of observed columns `(n, c)`; NaN where a column lacks a figure."""
        return self.goals_of(columns, np.zeros_like(columns))[0]

    def log_within(self, mean: Array, deviation: Array) -> Array:
        """Log probability `(k,)` that all bounds hold, each taken for itself."""
        total = np.zeros(len(mean))
        for limit in self.limits:
            total = total + limit.log_probability(mean, deviation)
        return total
