"""What the options of the training loop do, on a network small enough to follow."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoglm_core.workload import LocalRound
from autoglm_workloads.errors import DivergedTraining, NoCheckpointing, TrainingOutOfMemory, UnsupportedPrecision
from autoglm_workloads.seeding import generator
from autoglm_workloads.text.training.batches import batches
from autoglm_workloads.text.training.divergence import DivergenceWatch
from autoglm_workloads.text.training.job import DepthParameter, Loss
from autoglm_workloads.text.training.loop import fit
from autoglm_workloads.text.training.optimizers import Lion
from support.text_training import (
    PLAIN,
    ROWS,
    SEED,
    drawn_rows,
    job,
    small_network,
    trained,
    weights,
)

START = weights(small_network())
HEAD = 16 * 3 + 3


def moved(**options: Any) -> float:
    return float(np.linalg.norm(trained(**options)[0] - START))


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 0.01), ("sgd", 0.05), ("lion", 0.003), ("adafactor", 0.01)])
def test_every_optimizer_learns(optimizer: str, rate: float) -> None:
    first = trained(optimizer=optimizer, learning_rate=rate)[1]
    last = trained(optimizer=optimizer, learning_rate=rate, local_epochs=12)[1]
    assert last.units == ROWS
    assert last.steps == 12 * ROWS / 8
    assert last.loss_sum < 0.6 * first.loss_sum


def test_the_loop_is_the_one_written_by_hand() -> None:
    rows, network = drawn_rows(), small_network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.0)
    stream = generator(SEED, "batches")
    for _ in range(3):
        for numbers in batches(np.arange(ROWS) % 7 + 1, 8, stream):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(rows.inputs[numbers]), rows.labels[numbers]).backward()
            optimizer.step()
    np.testing.assert_allclose(trained(local_epochs=3)[0], weights(network), atol=2e-6)


def test_lion_moves_by_the_sign_of_a_blend_of_momentum_and_gradient() -> None:
    weight = torch.nn.Parameter(torch.zeros(3))
    optimizer = Lion([{"params": [weight]}], lr=0.1)
    for gradient in ([1.0, 1.0, -1.0], [-0.05, -0.2, 0.0], [-0.05, 0.0, 0.0]):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    # Momentum after the first: 0.01 of its gradient. 0.9 * 0.01 - 0.1 * 0.05 is still above 0, with 0.2 it is below.
    np.testing.assert_allclose(weight.detach(), [-0.3, -0.1, 0.3], atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion", "adafactor"])
def test_weight_decay_is_decoupled_and_spares_biases(optimizer: str) -> None:
    network = small_network()
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.fill_(1.0)

    def still(_: Any) -> Loss:
        return Loss(sum(tensor.sum() for tensor in network.parameters()) * 0.0, 1, 0.0)

    options = PLAIN.updated({"optimizer": optimizer, "learning_rate": 0.5, "weight_decay": 0.1, "batch_size": ROWS})
    fit(job(network, drawn_rows(), options, objective=still))
    assert float(network[0].weight.detach().mean()) == pytest.approx(0.95, abs=0.003)
    assert float(network[0].bias.detach().mean()) == 1.0


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion", "adafactor"])
def test_a_single_number_trains_and_what_no_row_reaches_stays(optimizer: str) -> None:
    network = small_network()
    number, unreached = torch.nn.Parameter(torch.tensor(1.0)), torch.nn.Parameter(torch.ones(2, 2))
    parameters = [DepthParameter("uncertainty", number, 2), DepthParameter("other", unreached, 2, head=True)]

    def objective(rows: Any) -> Loss:
        loss = number * network(drawn_rows().inputs[rows]).square().mean()
        return Loss(loss, len(rows), loss.detach())

    options = PLAIN.updated({"optimizer": optimizer, "weight_decay": 0.1, "controller": "noise-scale"})
    fit(job(network, drawn_rows(), options, parameters=parameters, objective=objective))
    assert float(number.detach()) < 1.0
    assert bool((unreached == 1.0).all())


def test_the_proximal_term_pulls_back_and_clipping_shortens_steps() -> None:
    plain: dict[str, Any] = {"optimizer": "sgd", "local_epochs": 6}
    assert moved(**plain, proximal_mu=5.0) < 0.7 * moved(**plain)
    assert moved(**plain, clip_norm=0.05) < 0.5 * moved(**plain)


def test_deeper_layers_and_the_head_have_rates_of_their_own() -> None:
    options: dict[str, Any] = {"optimizer": "lion", "batch_size": ROWS, "learning_rate": 0.01}
    found, _ = trained(**options, layer_decay=0.5, head_rate=3.0)
    change = np.abs(found - START)
    np.testing.assert_allclose(change[-HEAD:], 0.03, atol=1e-6)
    np.testing.assert_allclose(change[:-HEAD], 0.01 * 0.5**3, atol=1e-6)


@pytest.mark.parametrize(("rounds", "number", "factor"), [(1, 1, 0.5), (4, 1, 0.875), (4, 4, 0.125)])
def test_the_schedule_spans_the_whole_tune(rounds: int, number: int, factor: float) -> None:
    changes = {"rounds": rounds, "at": LocalRound(number, SEED)}
    found, _ = trained(optimizer="lion", batch_size=ROWS, schedule="linear", changes=changes)
    np.testing.assert_allclose(np.abs(found - START), 0.01 * factor, atol=1e-6)


def test_a_plateau_slows_a_training_that_learns_nothing() -> None:
    network = small_network()
    flat = {"objective": lambda _: Loss(sum(tensor.sum() for tensor in network.parameters()), 1, 1.0)}
    options = PLAIN.updated({"optimizer": "sgd", "momentum": 0.0, "schedule": "plateau", "local_epochs": 2})
    fit(job(network, drawn_rows(), options, **flat))
    # 24 steps with a loss that stays at 1: the first is the best, ten more halve the rate, and ten again.
    np.testing.assert_allclose(START - weights(network), 0.01 * (11 + 10 / 2 + 3 / 4), rtol=1e-4)


def test_a_loss_that_is_not_finite_ends_the_training_at_once() -> None:
    seen: list[int] = []

    def objective(numbers: Any) -> Loss:
        seen.append(len(numbers))
        value = float("nan") if len(seen) == 3 else 1.0
        return Loss(sum(tensor.sum() for tensor in network.parameters()) * value, len(numbers), value * len(numbers))

    network = small_network()
    with pytest.raises(DivergedTraining) as caught:
        fit(job(network, drawn_rows(), PLAIN.updated({"local_epochs": 5}), objective=objective))
    assert len(seen) == 3
    assert caught.value.data == {"epoch": 1, "reason": "not-finite"}


def test_a_gradient_that_is_not_finite_ends_the_training_at_once() -> None:
    network = small_network()
    seen: list[int] = []

    def objective(_: Any) -> Loss:
        root = (network[0].weight * 0.0).sum().sqrt()  # 0, with a slope that is infinite times 0
        seen.append(1)
        return Loss(root, 1, 0.0)

    with pytest.raises(DivergedTraining) as caught:
        fit(job(network, drawn_rows(), PLAIN, objective=objective))
    assert len(seen) == 1
    assert caught.value.data["reason"] == "not-finite"


def test_a_rate_far_too_high_is_a_typed_failure() -> None:
    with pytest.raises(DivergedTraining) as caught:
        trained(optimizer="sgd", learning_rate=1e6, local_epochs=3)
    assert caught.value.data["reason"] == "exploded"


def test_one_bad_batch_is_no_divergence_and_a_steep_start_neither() -> None:
    watch = DivergenceWatch()
    for loss in (2.0, 1.9, 60.0, 1.9, 1.8, 1.8):
        watch.observe(loss, epoch=1)
    for losses in ((15.0,) * 20, (0.05, *(2.0,) * 20)):
        steady = DivergenceWatch()
        for loss in losses:
            steady.observe(loss, epoch=1)


def test_an_exploding_loss_is_noticed_within_a_few_steps() -> None:
    watch = DivergenceWatch()
    watch.observe(2.0, epoch=1)
    with pytest.raises(DivergedTraining, match="lower learning_rate"):
        for _ in range(8):
            watch.observe(200.0, epoch=2)


def test_memory_that_runs_out_says_what_to_change() -> None:
    def collate(_: Any) -> Any:
        return torch.empty(2**50)  # the allocator's own refusal

    with pytest.raises(TrainingOutOfMemory, match="lower batch_size") as caught:
        trained(changes={"collate": collate})
    assert caught.value.data == {"device": "cpu", "batch_size": 8, "checkpointing": False}


def test_another_runtime_error_is_not_called_out_of_memory() -> None:
    def collate(_: Any) -> Any:
        return torch.zeros(2) @ torch.zeros(3)

    with pytest.raises(RuntimeError, match="inconsistent"):
        trained(changes={"collate": collate})


def test_bfloat16_learns_like_float32_and_keeps_float32_weights() -> None:
    plain, narrow = (trained(precision=precision, local_epochs=4) for precision in ("float32", "bfloat16"))
    assert narrow[0].dtype == np.float32
    assert narrow[1].loss_sum == pytest.approx(plain[1].loss_sum, rel=0.03)
    assert not np.array_equal(plain[0], narrow[0])


def test_a_model_that_cannot_recompute_activations_is_refused() -> None:
    with pytest.raises(NoCheckpointing, match="leave it off"):
        trained(checkpointing=True)


def test_float16_without_an_accelerator_is_refused_before_any_work() -> None:
    def collate(_: Any) -> Any:
        raise AssertionError("it began to work")

    with pytest.raises(UnsupportedPrecision, match="choose precision"):
        trained(precision="float16", changes={"collate": collate})


def test_batches_in_which_nothing_counts_change_nothing() -> None:
    network = small_network()
    empty = {"objective": lambda _: Loss(network[0].weight.sum() * 0.0, 0, 0.0)}
    outcome = fit(job(network, drawn_rows(), PLAIN.updated({"weight_decay": 0.5}), **empty))
    np.testing.assert_array_equal(weights(network), START)
    assert (outcome.loss_sum, outcome.units, outcome.steps) == (0.0, 0, 12)


def test_dropout_is_on_while_training_and_off_afterwards() -> None:
    network = small_network(dropout=0.5)
    fit(job(network, drawn_rows(), PLAIN))
    assert not network.training
    assert not np.array_equal(weights(network), trained()[0])


def test_the_same_arguments_give_the_same_bits_whatever_was_drawn_before() -> None:
    found = trained(dropout=0.3, controller="noise-scale", curvature="hutchinson", local_epochs=3)[0]
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again = trained(dropout=0.3, controller="noise-scale", curvature="hutchinson", local_epochs=3)[0]
    np.testing.assert_array_equal(found, again)
    assert torch.equal(before, torch.random.get_rng_state())
    other = trained(dropout=0.3, local_epochs=3, changes={"at": LocalRound(1, b"t" * 32)})[0]
    assert not np.array_equal(found, other)


def test_another_process_gives_the_same_bits() -> None:
    code = (
        "import hashlib; from support.text_training import trained; "
        "print(hashlib.sha256(trained(dropout=0.3, local_epochs=2, controller='noise-scale')[0].tobytes()).hexdigest())"
    )
    tests = Path(__file__).parents[1]
    ran = subprocess.run([sys.executable, "-c", code], cwd=tests, check=True, capture_output=True, text=True)
    here = hashlib.sha256(trained(dropout=0.3, local_epochs=2, controller="noise-scale")[0].tobytes()).hexdigest()
    assert ran.stdout.strip() == here
