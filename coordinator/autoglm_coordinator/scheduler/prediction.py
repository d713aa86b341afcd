"""Where a TUNE would end, from its values up to a rung and from how finished TUNEs went on from there.

A Bayesian linear regression with normal errors of unknown size (normal-inverse-gamma; Gelman et al. 2013, Bayesian Data
Analysis, chapter 14), so that a prediction is a Student t. What it is regressed on: the value at the rung and what was
gained since the rung below. The first coefficient says what the rung is worth (near 1, the order at the rung lasts to
the end; near 0, all end alike), the second how much of the pace lasts. Rejected: the mean gain and its spread, which
takes every difference at a rung for a lasting one.

While few TUNEs have finished the prior speaks: coefficients of 0.5 and 0, each give or take 0.5, and errors as large as
the differences between TUNEs, worth one observation. What the validation rows add to a value is part of what finished
TUNEs show, for the same rows judge a model at every rung.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PRIOR = np.array([0.5, 0.0])
PRIOR_DEVIATION = 0.5
MOST_DEGREES = 30
"""Beyond them a Student t is as good as normal; stopping here errs to the side of wide tails, and bounds the cost."""


@dataclass(frozen=True)
class Prediction:
    """A Student t: `mean`, `scale` and whole `degrees` of freedom."""

    mean: float
    scale: float
    degrees: int

    def above(self, bounds: Array) -> Array:
        """Probability of more than each of `bounds`, in their shape."""
        if not self.scale > 0:
            return (self.mean > bounds).astype(np.float64)
        return student_above((bounds - self.mean) / self.scale, self.degrees)


def predict(features: Array, *, finished: Array, ends: Array, spread: float) -> Prediction:
    """The final value behind `features` `(k,)`: the value at a rung and, above the first, the gain since the one below.

    `finished`: `(n, k)`, n above 0, the same of finished TUNEs; `ends`: `(n,)` their final values. `spread`: deviation
    of values among TUNEs, see `spread_of`.
    """
    count, prior = len(ends), PRIOR[: len(features)]
    centred, final = finished - finished.mean(axis=0), ends - ends.mean()
    certainty = (spread / PRIOR_DEVIATION) ** 2
    # Least squares where nothing is certain and nothing differs has many solutions, all of them good.
    inverse = np.linalg.pinv(centred.T @ centred + certainty * np.eye(len(prior)), hermitian=True)
    slopes = prior + inverse @ (centred.T @ (final - centred @ prior))
    errors, off = final - centred @ slopes, features - finished.mean(axis=0)
    squares = float(errors @ errors) + certainty * float((slopes - prior) @ (slopes - prior)) + spread**2
    reach = 1 + 1 / count + float(off @ inverse @ off)
    # One degree from the prior, and one less for the mean.
    mean = float(ends.mean() + slopes @ off)
    return Prediction(mean, math.sqrt(squares / count * reach), min(count, MOST_DEGREES))


def spread_of(values: Array, resolution: float) -> float:
    """Deviation of `values` `(n,)`, n above 0, as if one more differed by `resolution`: of a single one that is all."""
    centred = values - values.mean()
    return math.sqrt((float(centred @ centred) + resolution**2) / len(values))


def student_above(bounds: Array, degrees: int) -> Array:
    """Probability that a Student t of whole `degrees` of freedom, above 0, exceeds each of `bounds`.

    The finite sums 26.7.3 and 26.7.4 of Abramowitz and Stegun 1964: the daemon has no scipy.
    """
    angle = np.arctan2(bounds, math.sqrt(degrees))
    square = np.cos(angle) ** 2
    odd = degrees % 2
    term = np.ones_like(square)
    total = np.full_like(square, 0.0 if degrees == 1 else 1.0)
    for number in range(2 + odd, degrees - 1, 2):
        term = term * square * (number - 1) / number
        total = total + term
    inside = np.sin(angle) * total
    if odd:
        inside = 2 / math.pi * (angle + np.cos(angle) * inside)
    above: Array = np.clip((1 - inside) / 2, 0.0, 1.0)
    return above
