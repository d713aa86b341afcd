"""Sums over rows of a few quantities and of their products: what the standard error of any smooth figure needs.

F1, perplexity and BLEU are functions of sums that add up over sites exactly, but none of them is a mean over rows, and
the words of a sentence are not independent of each other. With the products of a row's quantities, summed, the delta
method gives the error of such a function f(sum of x): the square root of g' C g, where g is its gradient and C the
covariance of the sum of independent rows. Bootstrapping rows would serve as well, but needs them in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, Counters
from autoglm_workloads.wide_sums import joined_sum, split_sum, wide_fields

Floats = NDArray[np.float64]


def moment_fields(name: str, quantities: int) -> tuple[CounterField, ...]:
    """The counters of `quantities` sums and of their products, each pair once."""
    pairs = quantities * (quantities + 1) // 2
    return wide_fields(f"{name}_sums", (quantities,)) + wide_fields(f"{name}_products", (pairs,))


def count_moments(name: str, rows: Floats) -> dict[str, Floats]:
    """The counters of `rows` `(rows, quantities)`."""
    products = (rows.T @ rows)[np.triu_indices(rows.shape[1])]
    return split_sum(f"{name}_sums", rows.sum(axis=0)) | split_sum(f"{name}_products", products)


@dataclass(frozen=True)
class Moments:
    """Of `rows` rows: `sums` `(quantities,)` and `products` `(quantities, quantities)`."""

    rows: float
    sums: Floats
    products: Floats

    @classmethod
    def read(cls, name: str, counters: Counters, rows: float) -> Moments:
        """From (summed) counters."""
        sums = joined_sum(f"{name}_sums", counters)
        upper = np.zeros((sums.size, sums.size))
        upper[np.triu_indices(sums.size)] = joined_sum(f"{name}_products", counters)
        return cls(rows, sums, upper + np.triu(upper, 1).T)

    def joined(self, rows: Floats) -> Moments:
        """With further `rows` `(n, quantities)`: a figure's error is taken with some, so that none is certain."""
        return Moments(self.rows + len(rows), self.sums + rows.sum(axis=0), self.products + rows.T @ rows)

    def error(self, gradient: Floats) -> float:
        """Standard error of a figure whose `gradient` `(quantities,)` with respect to the sums is known."""
        covariance = self.products - np.outer(self.sums, self.sums) / max(self.rows, 1.0)
        return sqrt(max(float(gradient @ covariance @ gradient), 0.0))

    def ratio_error(self, numerator: Floats, denominator: Floats) -> float:
        """Standard error of `numerator @ sums / (denominator @ sums)`; 0 where the divisor is 0."""
        divisor = float(denominator @ self.sums)
        if divisor <= 0:
            return 0.0
        return self.error((numerator - denominator * (float(numerator @ self.sums) / divisor)) / divisor)

    def mean_error(self, quantity: int) -> float:
        """Standard error of the mean of one quantity over rows."""
        return self.error(np.eye(self.sums.size)[quantity] / max(self.rows, 1.0))
