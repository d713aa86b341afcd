"""What the options of local training do."""

from __future__ import annotations

import numpy as np
import pytest

from autoglm_compression.models.chain import Chain, Dense
from autoglm_core.workload import Vector
from autoglm_workloads.errors import DivergedTraining
from autoglm_workloads.model_side import chain_layout
from autoglm_workloads.training import train_chain
from autoglm_workloads.training_options import TrainingOptions

CHAIN = Chain((3,), (Dense("head", 3, 2),))
START = np.linspace(-0.1, 0.1, 8, dtype=np.float32)
PLAIN = TrainingOptions(learning_rate=0.1, batch_size=8, local_epochs=20, momentum=0.0, clip_norm=0.0)
GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(40, 3)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int64)


def trained(options: TrainingOptions, inputs: Vector = INPUTS, seed: bytes = b"s") -> tuple[Vector, float]:
    return train_chain(CHAIN, chain_layout(CHAIN), START, inputs=inputs, labels=LABELS, options=options, seed=seed)


def moved(options: TrainingOptions) -> float:
    return float(np.linalg.norm(trained(options)[0] - START))


def changed(**values: float | int | str) -> TrainingOptions:
    return PLAIN.updated(values)


def test_training_learns_and_reports_the_loss_of_the_last_epoch() -> None:
    _, first = trained(changed(local_epochs=1))
    _, last = trained(PLAIN)
    assert last < 0.6 * first < 0.6 * 0.8 * len(LABELS)


@pytest.mark.parametrize("option", [{"momentum": 0.9}, {"optimizer": "adam", "learning_rate": 0.01}])
def test_momentum_and_adam_learn_too(option: dict[str, float | str]) -> None:
    assert trained(changed(**option))[1] < 0.6 * 0.7 * len(LABELS)


def test_full_batch_steps_follow_the_gradient_of_the_mean_loss() -> None:
    stepped = chain_layout(CHAIN).split(trained(changed(batch_size=100, local_epochs=3))[0])
    tensors = chain_layout(CHAIN).split(START)
    weight, bias = tensors["head.weight"].astype(np.float64), tensors["head.bias"].astype(np.float64)
    for _ in range(3):
        exponentials = np.exp(INPUTS @ weight.T + bias)
        error = exponentials / exponentials.sum(1, keepdims=True) - np.eye(2)[LABELS]
        weight, bias = weight - 0.1 * error.T @ INPUTS / len(LABELS), bias - 0.1 * error.mean(0)
    np.testing.assert_allclose(stepped["head.weight"], weight, atol=1e-6)
    np.testing.assert_allclose(stepped["head.bias"], bias, atol=1e-6)


def test_proximal_term_weight_decay_and_clipping_hold_the_weights_back() -> None:
    free = moved(PLAIN)
    assert moved(changed(proximal_mu=5.0)) < 0.5 * free
    assert moved(changed(weight_decay=3.0)) < 0.7 * free
    assert moved(changed(clip_norm=0.01)) <= 0.1 * 0.01 * 20 * 5 * 1.001
    assert moved(changed(label_smoothing=0.3)) < free


def test_the_seed_orders_the_rows() -> None:
    assert trained(PLAIN, seed=b"a")[0].tobytes() != trained(PLAIN, seed=b"b")[0].tobytes()


def test_diverging_training_is_an_error_and_not_a_vector_of_nan() -> None:
    with pytest.raises(DivergedTraining) as caught:
        trained(changed(learning_rate=1e30, momentum=0.9), inputs=INPUTS * np.float32(1e30))
    assert caught.value.data["epoch"] == 1
