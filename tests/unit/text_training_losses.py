"""Losses of classifiers, alone and together, and the weights of classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from autoglm_core.configuration import Value
from autoglm_workloads.text.tokens import LEFT_OUT
from autoglm_workloads.text.training.class_weights import class_weights
from autoglm_workloads.text.training.losses import classification_loss, token_loss
from autoglm_workloads.text.training.options import TextOptions

DRAWS = torch.Generator().manual_seed(0)
LOGITS = torch.randn(40, 5, generator=DRAWS) * 3
LABELS = torch.randint(5, (40,), generator=DRAWS)
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 3.0, 1.0])


def options(**values: Value) -> TextOptions:
    return TextOptions().updated(values)


def test_the_plain_loss_is_cross_entropy() -> None:
    found = classification_loss(LOGITS, LABELS, options())
    expected = functional.cross_entropy(LOGITS, LABELS)
    assert float(found.mean) == pytest.approx(float(expected), rel=1e-6)
    assert float(found.total) == pytest.approx(40 * float(expected), rel=1e-6)
    assert found.units == 40


def test_smoothing_is_torchs() -> None:
    found = classification_loss(LOGITS, LABELS, options(label_smoothing=0.2))
    expected = functional.cross_entropy(LOGITS, LABELS, label_smoothing=0.2)
    assert float(found.mean) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("loss", ["cross-entropy", "focal"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_all_combinations_follow_the_formula(loss: str, smoothing: float, weighted: bool) -> None:
    weights = WEIGHTS if weighted else None
    found = classification_loss(LOGITS, LABELS, options(criterion=loss, label_smoothing=smoothing), weights=weights)
    expected = 0.0
    for logits, label in zip(LOGITS.double().softmax(1).tolist(), LABELS.tolist(), strict=True):
        gamma = 2.0 if loss == "focal" else 0.0
        smoothed = sum(
            ((1 - smoothing) * (number == label) + smoothing / 5) * -np.log(probability)
            for number, probability in enumerate(logits)
        )
        expected += (float(WEIGHTS[label]) if weighted else 1.0) * (1 - logits[label]) ** gamma * smoothed
    assert float(found.mean) == pytest.approx(expected / 40, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_row_that_is_certainly_right_has_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    loss = classification_loss(logits, torch.tensor([0, 0]), options(criterion="focal", focal_gamma=gamma))
    loss.mean.backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())
    assert float(loss.mean.detach()) == pytest.approx(100.0)


def test_what_is_reported_can_be_compared_between_losses() -> None:
    plain = classification_loss(LOGITS, LABELS, options())
    other = classification_loss(LOGITS, LABELS, options(criterion="focal", label_smoothing=0.1), weights=WEIGHTS)
    assert float(other.total) == float(plain.total)
    assert float(other.mean) != float(plain.mean)


def test_tokens_without_a_label_do_not_count() -> None:
    labels = LABELS.reshape(4, 10).clone()
    labels[:, 7:] = LEFT_OUT
    found = token_loss(LOGITS.reshape(4, 10, 5), labels, options(criterion="focal"), weights=WEIGHTS)
    inside = (labels != LEFT_OUT).flatten()
    alone = classification_loss(LOGITS[inside], LABELS[inside], options(criterion="focal"), weights=WEIGHTS)
    assert found.units == 28
    assert float(found.mean) == float(alone.mean)


def test_a_batch_without_labels_is_a_zero_that_can_be_differentiated() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    found = token_loss(logits, torch.full((2, 3), LEFT_OUT), options())
    found.mean.backward()
    assert (found.units, found.total, float(found.mean.detach())) == (0, 0.0, 0.0)


def test_balanced_weights_make_every_class_count_alike_and_keep_the_mean() -> None:
    counts = np.array([60.0, 30.0, 10.0, 0.0])
    weights = class_weights(counts, "balanced")
    assert weights is not None
    np.testing.assert_allclose(weights[:3] * counts[:3], 100 / 3, rtol=1e-6)
    assert weights[3] == 1.0
    assert float(weights @ counts) == pytest.approx(100.0)
    assert class_weights(counts, "none") is None


def test_a_site_with_one_class_keeps_its_weight() -> None:
    labels = torch.full((40,), 3)
    plain = classification_loss(LOGITS, labels, options())
    weighted = classification_loss(LOGITS, labels, options(), weights=WEIGHTS)
    assert float(weighted.mean) == pytest.approx(3 * float(plain.mean), rel=1e-6)
