"""Hyperparameters of a Gaussian process: their posterior with its gradient, and its maximum.

Priors on the lengthscales grow with the number of parameters (Hvarfner, Hellsten & Nardi 2024, arXiv:2402.02229). The
gradient is in closed form (Rasmussen & Williams 2006, equation 5.9) and in numpy: a fit of 200 points then takes a
tenth of what general automatic differentiation needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.optimize import OptimizeResult, minimize

from autoglm_coordinator.sampler.bayes.kernels import MATERN, Kernel

Array = NDArray[np.float64]
JITTER = 1e-8
"""Added to every diagonal. With signals up to e^5 and some hundred rows, rounding errs by less than a thousandth of it,
so covariances are positive definite whatever is repeated in them."""
LENGTH_SPREAD = sqrt(3.0)
"""Of the prior on log lengthscales."""
LENGTH_CENTRE = sqrt(2.0) - LENGTH_SPREAD**2 / 2
"""Its middle for one parameter. In Hvarfner et al. a lengthscale is log-normal with the median
e^sqrt(2) sqrt(parameters), and its logarithm is `LENGTH_SPREAD`^2 lower at the mode. Half-way lies between two faults:
about the median, quick variation was taken for noise; about the mode, three values said nothing of a fourth."""
NOISE_CENTRE, NOISE_SPREAD = -8.0, 1.5
"""Of the prior on the log of the learned noise variance, where values have variance 1. Twice as wide, what parameters
do that were mostly tried at their bounds was taken for noise, and they were left there."""
LEAST_LOG_NOISE = -16.0
STARTS = (0.0, 2.0)
"""Where log lengthscales start, from the prior's middle: one start in the wiggly, one in the smooth."""
STEPS = 60
OUT_OF_REACH = 1e10


@dataclass(frozen=True)
class Hyperparameters:
    """On standardised values: log lengthscale of each group, log variance of the signal and of the learned noise."""

    log_lengths: Array
    log_signal: float
    log_noise: float
    kernel: Kernel = MATERN


class LogPosterior:
    """Of hyperparameters `(log lengths..., log signal, log noise)`.

    `inputs` `(n, d)`; `values` `(n,)` standardised; `variances` `(n,)`, known, in the same unit; `groups` `(d,)`.
    """

    def __init__(
        self, inputs: Array, values: Array, variances: Array, groups: NDArray[np.intp], kernel: Kernel = MATERN
    ) -> None:
        self.kernel = kernel
        self.count = int(groups.max()) + 1
        self.centre = LENGTH_CENTRE + 0.5 * log(self.count)
        self._values, self._variances = values, variances
        self._squared = np.zeros((self.count, len(values), len(values)))
        for column, group in enumerate(groups):
            difference = inputs[:, column, None] - inputs[None, :, column]
            self._squared[group] += difference * difference

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Minus the log posterior (up to a constant) and its gradient `(len(theta),)`.

        A value out of reach where the covariance is not positive definite.
        """
        weights, signal = np.exp(-2 * theta[: self.count]), float(np.exp(theta[self.count]))
        squared = np.tensordot(weights, self._squared, axes=1)
        kernel = signal * self.kernel.correlation(squared)
        noise = float(np.exp(theta[self.count + 1]))
        covariance = kernel.copy()
        covariance[np.diag_indices_from(covariance)] += self._variances + noise + JITTER
        try:
            cholesky = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return OUT_OF_REACH, np.zeros_like(theta)
        inverse = cho_solve((cholesky, True), np.eye(len(self._values)), check_finite=False)
        shares = inverse.sum(1)
        residual = self._values - shares @ self._values / shares.sum()
        alpha = inverse @ residual
        value = 0.5 * residual @ alpha + np.log(np.diag(cholesky)).sum()
        slope = np.outer(alpha, alpha) - inverse
        gradient = np.empty_like(theta)
        gradient[: self.count] = weights * np.tensordot(
            self._squared, slope * (signal * self.kernel.slope(squared)), axes=2
        )
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


def most_likely(posteriors: Sequence[LogPosterior], *, exact: bool) -> Hyperparameters:
    """The highest maximum of all `posteriors`, each climbed by L-BFGS from two starts.

    `exact`: the values have no noise, so none is learned.
    """
    found = [
        (_climbed(posterior, start, exact=exact), posterior.kernel) for posterior in posteriors for start in STARTS
    ]
    best, kernel = min(found, key=lambda entry: float(entry[0].fun))
    *log_lengths, log_signal, log_noise = best.x
    return Hyperparameters(np.array(log_lengths), float(log_signal), float(log_noise), kernel)


def _climbed(posterior: LogPosterior, start: float, *, exact: bool) -> OptimizeResult:
    most_log_noise = LEAST_LOG_NOISE if exact else 1.0
    return minimize(
        posterior.loss,
        np.concatenate([np.full(posterior.count, posterior.centre + start), [0.0, min(-6.0, most_log_noise)]]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-4.0, 6.0)] * posterior.count + [(-4.0, 5.0), (LEAST_LOG_NOISE, most_log_noise)],
        options={"maxiter": STEPS},
    )
