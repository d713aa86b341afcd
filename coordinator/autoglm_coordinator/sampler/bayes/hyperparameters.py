"""Hyperparameters of a Gaussian process: their posterior with its gradient, and its maximum.

Priors on the lengthscales grow with the number of parameters (Hvarfner, Hellsten & Nardi 2024, arXiv:2402.02229). The
gradient is in closed form (Rasmussen & Williams 2006, equation 5.9) and in numpy: a fit of 200 points then takes a
tenth of what general automatic differentiation needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.optimize import minimize

Array = NDArray[np.float64]
SQRT5 = sqrt(5.0)
JITTER = 1e-8
"""Added to every diagonal. With signals up to e^5 and some hundred rows, rounding errs by less than a thousandth of it,
so covariances are positive definite whatever is repeated in them."""
LENGTH_SPREAD = sqrt(3.0)
"""Of the prior on log lengthscales; its mean is sqrt(2) + log(parameters) / 2."""
NOISE_CENTRE, NOISE_SPREAD = -8.0, 3.0
"""Of the prior on the log of the learned noise variance, where values have variance 1: mostly small, rarely none."""
LEAST_LOG_NOISE = -16.0
STARTS = (-1.5, 0.0)
"""Where log lengthscales start, from the prior's mean: one start in the wiggly, one in the smooth."""
STEPS = 60
OUT_OF_REACH = 1e10


@dataclass(frozen=True)
class Hyperparameters:
    """On standardised values: log lengthscale of each group, log variance of the signal and of the learned noise."""

    log_lengths: Array
    log_signal: float
    log_noise: float


class LogPosterior:
    """Of hyperparameters `(log lengths..., log signal, log noise)`.

    `inputs` `(n, d)`; `values` `(n,)` standardised; `variances` `(n,)`, known, in the same unit; `groups` `(d,)`.
    """

    def __init__(self, inputs: Array, values: Array, variances: Array, groups: NDArray[np.intp]) -> None:
        self.count = int(groups.max()) + 1
        self.centre = sqrt(2.0) + 0.5 * log(self.count)
        self._values, self._variances = values, variances
        self._squared = np.zeros((self.count, len(values), len(values)))
        for column, group in enumerate(groups):
            difference = inputs[:, column, None] - inputs[None, :, column]
            self._squared[group] += difference * difference

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Minus the log posterior (up to a constant) and its gradient `(len(theta),)`.

        A value out of reach where the covariance is not positive definite.
        """
        scaled = self._squared * np.exp(-2 * theta[: self.count])[:, None, None]
        r = SQRT5 * np.sqrt(scaled.sum(0))
        decay = np.exp(theta[self.count] - r)
        kernel = decay * (1 + r + r * r / 3)
        noise = float(np.exp(theta[self.count + 1]))
        covariance = kernel.copy()
        covariance[np.diag_indices_from(covariance)] += self._variances + noise + JITTER
        try:
            cholesky = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return OUT_OF_REACH, np.zeros_like(theta)
        inverse = cho_solve((cholesky, True), np.eye(len(self._values)), check_finite=False)
        weights = inverse.sum(1)
        residual = self._values - weights @ self._values / weights.sum()
        alpha = inverse @ residual
        value = 0.5 * residual @ alpha + np.log(np.diag(cholesky)).sum()
        slope = np.outer(alpha, alpha) - inverse
        gradient = np.empty_like(theta)
        gradient[: self.count] = -0.5 * np.einsum("ij,gij->g", slope * decay * (1 + r) * (5.0 / 3.0), scaled)
        gradient[self.count] = -0.5 * np.sum(slope * kernel)
        gradient[self.count + 1] = -0.5 * noise * np.trace(slope)
        prior, prior_gradient = self._prior(theta)
        return float(value + prior), gradient + prior_gradient

    def _prior(self, theta: Array) -> tuple[float, Array]:
        """Normal on each logarithm."""
        centres = np.concatenate([np.full(self.count, self.centre), [0.0, NOISE_CENTRE]])
        spreads = np.concatenate([np.full(self.count, LENGTH_SPREAD), [1.0, NOISE_SPREAD]])
        z = (theta - centres) / spreads
        return float(0.5 * z @ z), z / spreads


def most_likely(posterior: LogPosterior, *, exact: bool) -> Hyperparameters:
    """The maximum of the posterior, by L-BFGS from two starts.

    `exact`: the values have no noise, so none is learned.
    """
    count = posterior.count
    most_log_noise = LEAST_LOG_NOISE if exact else 1.0
    bounds = [(-4.0, 6.0)] * count + [(-4.0, 5.0), (LEAST_LOG_NOISE, most_log_noise)]
    found = [
        minimize(
            posterior.loss,
            np.concatenate([np.full(count, posterior.centre + start), [0.0, min(-6.0, most_log_noise)]]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": STEPS},
        )
        for start in STARTS
    ]
    best = min(found, key=lambda result: float(result.fun)).x
    return Hyperparameters(best[:count], float(best[count]), float(best[count + 1]))
