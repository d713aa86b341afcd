"""One exact Gaussian process: a lengthscale per parameter, noise partly known and partly learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

from autoglm_coordinator.sampler.bayes.hyperparameters import (
    JITTER,
    Hyperparameters,
    LogPosterior,
    most_likely,
)
from autoglm_coordinator.sampler.bayes.kernels import KERNELS

Array = NDArray[np.float64]
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Data:
    """`inputs` `(n, d)` in the unit cube, `values` `(n,)`, and each value's known noise `variances` `(n,)`."""

    inputs: Array
    values: Array
    variances: Array

    def part(self, rows: NDArray[np.intp]) -> Data:
        """Some rows."""
        return Data(self.inputs[rows], self.values[rows], self.variances[rows])

    def extended(self, inputs: Array, values: Array) -> Data:
        """With further rows, whose values have no known noise."""
        return Data(
            np.vstack([self.inputs, inputs]),
            np.concatenate([self.values, values]),
            np.concatenate([self.variances, np.zeros(len(values))]),
        )


@dataclass(frozen=True)
class Unit:
    """Values are modelled as `(value - centre) / scale`."""

    centre: float
    scale: float


def unit_of(values: Array) -> Unit:
    """Mean and spread of `values`; a scale of 1 where all are equal."""
    spread = float(np.std(values))
    centre = float(np.mean(values))
    # Equal values differ by rounding from their mean.
    return Unit(centre, spread if spread > 1e-12 * max(1.0, abs(centre)) else 1.0)


def fit(data: Data, groups: NDArray[np.intp], *, exact: bool = False) -> Hyperparameters:
    """The most likely hyperparameters for `data`, the kernel among them.

    Args:
        data: what was observed.
        groups: `(d,)`: columns with the same number share a lengthscale.
        exact: the values have no noise.
    """
    unit = unit_of(data.values)
    values, variances = (data.values - unit.centre) / unit.scale, data.variances / unit.scale**2
    posteriors = [LogPosterior(data.inputs, values, variances, groups, kernel) for kernel in KERNELS]
    return most_likely(posteriors, exact=exact)


class GaussianProcess:
    """Conditioned on `data` under given hyperparameters; `unit`: that of the data unless given."""

    def __init__(
        self,
        data: Data,
        groups: NDArray[np.intp],
        hyperparameters: Hyperparameters,
        *,
        unit: Unit | None = None,
    ) -> None:
        self._data, self._groups, self._hyperparameters = data, groups, hyperparameters
        self._unit = unit or unit_of(data.values)
        self._lengths = np.exp(hyperparameters.log_lengths)[groups]
        self._signal = float(np.exp(hyperparameters.log_signal))
        covariance = self._kernel(data.inputs, data.inputs)
        noise = data.variances / self._unit.scale**2 + np.exp(hyperparameters.log_noise) + JITTER
        covariance[np.diag_indices_from(covariance)] += noise
        self._cholesky = np.linalg.cholesky(covariance)
        values = (data.values - self._unit.centre) / self._unit.scale
        solved = cho_solve((self._cholesky, True), np.column_stack([values, np.ones_like(values)]), check_finite=False)
        # The mean is the generalised least squares estimate: it needs no search.
        self._mean = float(solved[:, 0].sum() / solved[:, 1].sum())
        self._alpha = solved[:, 0] - self._mean * solved[:, 1]

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and standard deviation `(k,)` of the noiseless value at `inputs` `(k, d)`, in the values' unit."""
        cross = self._kernel(self._data.inputs, inputs)
        half = solve_triangular(self._cholesky, cross, lower=True, check_finite=False)
        variance = np.maximum(self._signal - np.einsum("ij,ij->j", half, half), LEAST_VARIANCE)
        mean = self._mean + cross.T @ self._alpha
        return self._unit.centre + self._unit.scale * mean, self._unit.scale * np.sqrt(variance)

    @property
    def inputs(self) -> Array:
        """Of the data, `(n, d)`."""
        return self._data.inputs

    def left_out_errors(self) -> Array:
        """By how much each value `(n,)` differs from what all others predict (Rasmussen & Williams 2006, 5.12)."""
        inverse = cho_solve((self._cholesky, True), np.eye(len(self._alpha)), check_finite=False)
        weights = inverse.sum(axis=1)
        # The mean is estimated without the value that is left out, too.
        precision = np.diag(inverse) - weights * weights / weights.sum()
        errors: Array = self._unit.scale * self._alpha / precision
        return errors

    def believing(self, inputs: Array) -> GaussianProcess:
        """Conditioned on its own prediction at `inputs` `(k, d)` too: less spread there, the same mean everywhere."""
        data = self._data.extended(inputs, self.predict(inputs)[0])
        return GaussianProcess(data, self._groups, self._hyperparameters, unit=self._unit)

    def _kernel(self, a: Array, b: Array) -> Array:
        a, b = a / self._lengths, b / self._lengths
        squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
        covariance: Array = self._signal * self._hyperparameters.kernel.correlation(np.maximum(squared, 0.0))
        return covariance
