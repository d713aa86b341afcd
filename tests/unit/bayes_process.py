"""The Gaussian process: its gradient, what it makes of exact and of noisy values, and of what is believed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from autoglm_coordinator.sampler.bayes.gaussian_process import Data, GaussianProcess, fit, unit_of
from autoglm_coordinator.sampler.bayes.hyperparameters import LogPosterior
from autoglm_coordinator.sampler.bayes.kernels import KERNELS, MATERN, SQUARED_EXPONENTIAL, Kernel

Array = NDArray[np.float64]
GROUPS = np.array([0, 1, 1, 2])


def data(count: int, *, error: float = 0.0, seed: int = 1) -> Data:
    rng = np.random.default_rng(seed)
    inputs = rng.random((count, 4))
    return Data(inputs, truth(inputs) + error * rng.standard_normal(count), np.full(count, error**2))


def truth(inputs: Array) -> Array:
    result: Array = 40 + 10 * np.sin(4 * inputs[:, 0]) + 5 * inputs[:, 1] ** 2
    return result


def fitted(known: Data, *, exact: bool = False) -> GaussianProcess:
    return GaussianProcess(known, GROUPS, fit(known, GROUPS, exact=exact))


def unsmooth(inputs: Array) -> Array:
    result: Array = np.abs(inputs[:, 0] - 0.37) + np.abs(inputs[:, 3] - 0.61)
    return result


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_gradient_of_the_posterior_is_that_of_finite_differences(seed: int, kernel: Kernel) -> None:
    rng = np.random.default_rng(seed)
    known = data(25, seed=seed)
    posterior = LogPosterior(known.inputs, rng.standard_normal(25), rng.uniform(0, 0.1, 25), GROUPS, kernel)
    theta = np.concatenate([rng.uniform(-1.5, 1.5, 3), rng.uniform(-1, 1, 1), rng.uniform(-6, -2, 1)])
    gradient = posterior.loss(theta)[1]
    numeric = approx_fprime(theta, lambda at: posterior.loss(at)[0], 1e-6)
    assert gradient == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_exact_values_are_met_and_between_them_the_truth_is_near() -> None:
    known = data(40)
    process = fitted(known, exact=True)
    mean, deviation = process.predict(known.inputs)
    assert mean == pytest.approx(known.values, abs=0.02)
    assert deviation.max() < 0.05
    asked = np.random.default_rng(9).random((200, 4))
    mean, deviation = process.predict(asked)
    errors = np.abs(mean - truth(asked))
    assert errors.mean() < 0.5
    assert 0.2 < errors.mean() / deviation.mean() < 2


@pytest.mark.parametrize(("function", "kernel"), [(truth, SQUARED_EXPONENTIAL), (unsmooth, MATERN)])
def test_the_kernel_is_the_one_that_suits_the_function(function: Callable[[Array], Array], kernel: Kernel) -> None:
    inputs = np.random.default_rng(3).random((60, 4))
    assert fit(Data(inputs, function(inputs), np.zeros(60)), GROUPS).kernel is kernel


@pytest.mark.parametrize("seed", [3, 5, 7])
def test_what_parameters_do_that_were_mostly_tried_at_their_bounds_is_no_noise(seed: int) -> None:
    # At both bounds it is the same, so it shows in few values: long lengthscales and noise would explain them too.
    rng = np.random.default_rng(seed)
    inputs = rng.random((24, 6))
    inputs[:, 1:] = np.where(rng.random((24, 5)) < 0.6, np.round(inputs[:, 1:]), inputs[:, 1:])
    values = (1 + ((inputs[:, 1:] - 0.5) ** 2).sum(axis=1)) * np.cos(np.pi / 2 * inputs[:, 0])
    assert fit(Data(inputs, values, np.zeros(24)), np.arange(6)).log_noise < np.log(0.005)


def test_predictions_shrink_towards_the_others_where_values_are_known_to_be_noisy() -> None:
    clean = data(30)
    values = clean.values.copy()
    values[0] += 20.0
    variances = np.zeros(30)
    surprised = fitted(Data(clean.inputs, values, variances), exact=True).predict(clean.inputs[:1])[0]
    variances[0] = 20.0**2
    warned = fitted(Data(clean.inputs, values, variances), exact=True).predict(clean.inputs[:1])[0]
    assert surprised[0] == pytest.approx(values[0], abs=1.0)
    assert warned[0] == pytest.approx(clean.values[0], abs=2.0)


def test_noise_between_replicates_is_learned() -> None:
    once = data(25)
    rng = np.random.default_rng(4)
    inputs = np.repeat(once.inputs, 3, axis=0)
    values = truth(inputs) + 2.0 * rng.standard_normal(75)
    process = fitted(Data(inputs, values, np.zeros(75)))
    assert np.abs(process.predict(once.inputs)[0] - truth(once.inputs)).mean() < 1.5
    hyperparameters = fit(Data(inputs, values, np.zeros(75)), GROUPS)
    learned = np.sqrt(np.exp(hyperparameters.log_noise)) * values.std()
    assert 1.4 < learned < 2.8


def test_what_is_believed_keeps_the_mean_and_takes_the_spread_away() -> None:
    process = fitted(data(20))
    asked = np.random.default_rng(6).random((50, 4))
    mean, deviation = process.predict(asked)
    believing = process.believing(asked[:1])
    later, spread = believing.predict(asked)
    assert later == pytest.approx(mean, abs=1e-3)
    assert spread[0] < 0.3 * deviation[0]
    assert (spread <= deviation * (1 + 1e-6)).all()


@pytest.mark.parametrize("values", [np.full(12, 0.1), np.zeros(12), np.full(12, 1e9)], ids=["tenth", "zero", "large"])
def test_equal_values_are_predicted_everywhere(values: Array) -> None:
    known = Data(data(12).inputs, values, np.zeros(12))
    mean, deviation = fitted(known).predict(np.random.default_rng(2).random((20, 4)))
    assert mean == pytest.approx(values[0], rel=1e-6, abs=1e-6)
    assert np.isfinite(deviation).all()


def test_one_value_and_many_copies_of_it_can_be_learned_from() -> None:
    for count in (1, 200):
        known = Data(np.tile([[0.2, 0.3, 0.4, 0.5]], (count, 1)), np.full(count, 3.0), np.zeros(count))
        mean, deviation = fitted(known, exact=True).predict(np.array([[0.2, 0.3, 0.4, 0.5], [0.9, 0.9, 0.9, 0.9]]))
        assert mean == pytest.approx(3.0)
        assert deviation[0] < deviation[1]


def test_errors_of_what_is_left_out_are_those_of_processes_without_it() -> None:
    known = data(15)
    hyperparameters = fit(known, GROUPS)
    errors = GaussianProcess(known, GROUPS, hyperparameters).left_out_errors()
    unit = unit_of(known.values)
    for row in range(15):
        others = known.part(np.delete(np.arange(15), row))
        mean = GaussianProcess(others, GROUPS, hyperparameters, unit=unit).predict(known.inputs[row : row + 1])[0]
        assert errors[row] == pytest.approx(known.values[row] - mean[0], rel=1e-3, abs=1e-3)
