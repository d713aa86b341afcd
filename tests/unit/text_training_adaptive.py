"""What gradients and curvature are measured as, where the truth is known, and which rule follows from what."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from autoglm_workloads.text.training.adaptive.controller import LOWEST_RATE, REASONS, Controller
from autoglm_workloads.text.training.adaptive.curvature import along, trace
from autoglm_workloads.text.training.adaptive.decisions import MOST, Decision
from autoglm_workloads.text.training.adaptive.noise import LARGEST, NoiseMeter
from autoglm_workloads.text.training.adaptive.statistics import GradientStatistics
from autoglm_workloads.text.training.adaptive.tally import CEILING, Tally, statistics_counters, statistics_layout
from autoglm_workloads.text.training.job import Loss
from autoglm_workloads.text.training.loop import fit
from support.text_training import PLAIN, drawn_rows, job, small_network, trained

SIZE, SIGNAL, DEVIATION = 50, 0.3, 2.0


def controller(**changes: Any) -> Controller:
    values: dict[str, Any] = {"batch_size": 8, "accumulation": 2, "epoch_rows": 10_000, "optimizer": "adamw"}
    return Controller(**(values | changes))


def metered(batches: int, rows: int, *, per_step: int) -> tuple[float, float, NoiseMeter]:
    """Mean estimates of signal and noise over 40 windows of gradients of known mean and variance."""
    draws = torch.Generator().manual_seed(0)
    weight = torch.zeros(SIZE, requires_grad=True)
    meter, found = NoiseMeter([weight]), []
    for _ in range(40):
        for number in range(batches):
            if number % per_step == 0:
                weight.grad = torch.zeros(SIZE)
                meter.start_step()
            gradient = SIGNAL + DEVIATION * torch.randn(rows, SIZE, generator=draws).mean(0)
            assert weight.grad is not None
            weight.grad += 3.0 * gradient
            meter.take(rows, scale=3.0)
        measured = meter.close_window()
        assert measured is not None
        found.append(measured)
    signal, noise = np.mean(found, axis=0)
    return float(signal), float(noise), meter


@pytest.mark.parametrize("per_step", [1, 5])
def test_signal_and_noise_are_those_of_the_gradients(per_step: int) -> None:
    signal, noise, meter = metered(10, 4, per_step=per_step)
    assert signal == pytest.approx(SIZE * SIGNAL**2, rel=0.15)
    assert noise == pytest.approx(SIZE * DEVIATION**2, rel=0.05)
    assert meter.scale == pytest.approx((DEVIATION / SIGNAL) ** 2, rel=0.3)


def test_a_window_of_one_batch_or_of_overflows_says_nothing() -> None:
    weight = torch.zeros(3, requires_grad=True)
    meter = NoiseMeter([weight])
    weight.grad = torch.ones(3)
    meter.take(4, scale=1.0)
    assert meter.close_window() is None
    for _ in range(2):
        weight.grad = torch.full((3,), torch.inf)
        meter.start_step()
        meter.take(4, scale=1.0)
    assert meter.close_window() is None
    assert meter.scale == LARGEST


def quadratic(weight: torch.Tensor) -> torch.Tensor:
    """Of curvatures 1, 2, 3."""
    return (torch.tensor([1.0, 2.0, 3.0]) * weight.square()).sum() / 2


def test_the_trace_of_a_quadratic_is_exact_with_signs() -> None:
    weight = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    found = trace(lambda: quadratic(weight), [weight], torch.Generator().manual_seed(0))
    assert found == pytest.approx(6.0)
    assert weight.grad is None


def test_a_loss_without_curvature_has_a_trace_of_zero() -> None:
    weight = torch.ones(3, requires_grad=True)
    assert trace(lambda: weight.sum(), [weight], torch.Generator()) == 0.0


@pytest.mark.parametrize("rate", [0.1, 0.9])
def test_the_curvature_along_a_plain_step_is_rate_times_curvature(rate: float) -> None:
    before = torch.tensor([0.0, 0.0, 1.0])
    weight = (before * (1 - 3 * rate)).requires_grad_(True)
    assert along(lambda: quadratic(weight), [weight], [before]) == pytest.approx(3 * rate, rel=1e-5)
    np.testing.assert_allclose(weight.detach().numpy(), before.numpy() * (1 - 3 * rate))


def test_a_step_uphill_has_no_curvature_along_it() -> None:
    weight = torch.tensor([0.0, 0.0, 2.0], requires_grad=True)
    assert along(lambda: quadratic(weight), [weight], [torch.tensor([0.0, 0.0, 1.0])]) is None


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"noise": 40.0}, [("batch", 16, 32, "noise-above-batch"), ("learning-rate", 1, 2**0.5, "follows-batch")]),
        ({"noise": 30.0}, []),
        ({"noise": 7.0}, [("batch", 16, 8, "noise-below-batch"), ("learning-rate", 1, 2**-0.5, "follows-batch")]),
        ({"along": 2.5, "noise": 40.0}, [("learning-rate", 1, 0.5, "step-too-long")]),
        ({"along": 1.5}, []),
        ({"trace": 100.0}, []),
    ],
)
def test_each_rule_does_what_its_table_says(figures: dict[str, float], expected: list[Any]) -> None:
    asked = controller()
    asked.after_window(10, **({"noise": None, "along": None, "trace": None} | figures))
    found = [(entry.what, entry.before, pytest.approx(entry.after), entry.reason) for entry in asked.decisions]
    assert found == expected
    assert all(entry.step == 10 and entry.statistic in figures.values() for entry in asked.decisions)


def test_a_trace_that_grows_fourfold_halves_the_rate() -> None:
    asked = controller()
    for number, value in enumerate((-1.0, 10.0, 39.0, 41.0)):
        asked.after_window(10 * number, noise=None, along=None, trace=value)
    assert [(entry.reason, entry.after) for entry in asked.decisions] == [("curvature-grew", 0.5)]


def test_the_rate_of_sgd_follows_the_batch_in_proportion() -> None:
    asked = controller(optimizer="sgd")
    asked.after_window(10, noise=1e9, along=None, trace=None)
    assert asked.rate_factor == 2.0


def test_batch_and_rate_stay_within_their_bounds() -> None:
    large, small, short, slow = controller(), controller(), controller(epoch_rows=200), controller()
    for step in range(0, 10 * 600, 10):
        large.after_window(step, noise=LARGEST, along=None, trace=None)
        small.after_window(step, noise=0.0, along=None, trace=None)
        short.after_window(step, noise=LARGEST, along=None, trace=None)
        slow.after_window(step, noise=None, along=9.0, trace=None)
    assert (large.accumulation, small.accumulation, short.accumulation) == (16, 1, 2)
    assert slow.rate_factor == LOWEST_RATE


def test_the_list_of_decisions_is_bounded() -> None:
    asked = controller()
    for step in range(2 * MOST):
        asked.after_window(step, noise=LARGEST if step % 2 else 0.0, along=None, trace=None)
    assert len(asked.decisions) == MOST


def bowl(network: torch.nn.Sequential) -> Any:
    """Half the squared length of the weights, and the curvature 1 everywhere."""

    def objective(numbers: Any) -> Loss:
        half = sum(tensor.square().sum() for tensor in network.parameters()) / 2
        return Loss(half, len(numbers), half.detach() * len(numbers))

    return objective


def test_noisy_gradients_make_the_batch_grow_and_steps_fewer() -> None:
    draws = torch.Generator().manual_seed(0)
    rows = torch.randn(96, 51, generator=draws)

    def noisy(network: torch.nn.Sequential) -> Any:
        flat = [tensor for tensor in network.parameters() if tensor.dim() == 1]
        return lambda numbers: Loss((rows[numbers].mean(0)[:16] * flat[0]).sum() + 1.0, len(numbers), len(numbers))

    found = {}
    for mode in ("off", "noise-scale"):
        network = small_network()
        options = PLAIN.updated({"batch_size": 2, "controller": mode, "local_epochs": 3, "learning_rate": 1e-4})
        found[mode] = fit(job(network, drawn_rows(), options, objective=noisy(network)))
    assert found["off"].decisions == ()
    assert {entry.reason for entry in found["noise-scale"].decisions} == {"noise-above-batch", "follows-batch"}
    assert found["noise-scale"].steps < 0.6 * found["off"].steps
    batches = [entry for entry in found["noise-scale"].decisions if entry.what == "batch"]
    assert all(first.after == second.before for first, second in pairwise(batches))


def test_a_rate_that_overshoots_is_lowered_from_the_curvature() -> None:
    found = {}
    for mode in ("off", "noise-scale"):
        network = small_network()
        steep: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 2.02, "batch_size": 2}
        options = PLAIN.updated(steep | {"controller": mode, "curvature": "differences"})
        found[mode] = fit(job(network, drawn_rows(), options, objective=bowl(network)))
    # At 2.02 times the inverse of the curvature every step is 2 % too long; at half of that it all but arrives.
    assert found["noise-scale"].decisions[0].reason == "step-too-long"
    assert found["noise-scale"].decisions[0].statistic == pytest.approx(2.02, rel=1e-3)
    assert found["noise-scale"].loss_sum < 0.5 * found["off"].loss_sum
    assert found["off"].statistics.curvatures == 4


@pytest.mark.parametrize("curvature", ["hutchinson", "differences"])
def test_measuring_alone_changes_nothing(curvature: str) -> None:
    plain, _ = trained(dropout=0.3, local_epochs=3)
    measured, outcome = trained(dropout=0.3, local_epochs=3, curvature=curvature)
    np.testing.assert_array_equal(plain, measured)
    assert outcome.decisions == ()
    assert (outcome.statistics.windows, outcome.statistics.curvatures) == (3, 3)


def test_only_sums_leave_a_site_and_they_add_up() -> None:
    _, outcome = trained(controller="noise-scale", curvature="hutchinson", local_epochs=3, batch_size=4)
    layout = statistics_layout()
    both = layout.decode(2 * layout.encode(outcome.counters()))
    assert both["steps"] == 2 * outcome.steps
    assert both["norm_sum"] == pytest.approx(2 * outcome.statistics.norm_sum, abs=1e-4)
    assert sum(float(both[f"decisions/{reason}"]) for reason in REASONS) == 2 * len(outcome.decisions)


def test_a_steep_training_fits_the_counters() -> None:
    tally = Tally()
    for _ in range(1000):
        tally.add_step(1e30)
        tally.add_window(-1e30, 1e30)
        tally.add_curvature(float("inf"))
    tally.add_step(float("inf"))
    decisions = [Decision(1, "batch", 8, 16, REASONS[0], LARGEST)] * 3
    counters = statistics_layout().decode(statistics_layout().encode(statistics_counters(tally.total(), decisions)))
    assert counters["norm_sum"] == 1000 * CEILING
    assert counters["steps"] == 1001
    assert counters[f"decisions/{REASONS[0]}"] == 3
    assert counters["curvatures"] == 0
    assert tally.total() != GradientStatistics()
