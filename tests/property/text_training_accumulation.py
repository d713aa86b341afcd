"""However a step's rows are cut into batches, its gradient is that of all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_workloads.text.tokens import LEFT_OUT
from autoglm_workloads.text.training.crf import Chain, chain_loss
from autoglm_workloads.text.training.job import DepthParameter, Loss
from autoglm_workloads.text.training.loop import fit
from autoglm_workloads.text.training.losses import token_loss
from autoglm_workloads.text.training.options import TextOptions
from support.text_training import drawn_rows, job, trained

SETTINGS = settings(max_examples=20, deadline=None, derandomize=True)
ONE_STEP: dict[str, Any] = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 1.0,
    "schedule": "constant",
    "clip_norm": 0.0,
}


@SETTINGS
@given(rows=st.integers(1, 40), size=st.integers(1, 40), loss=st.sampled_from(["cross-entropy", "focal"]))
def test_of_rows(rows: int, size: int, loss: str) -> None:
    data = drawn_rows(rows)
    whole, one = trained(data, **ONE_STEP, batch_size=rows, loss=loss)
    parts, other = trained(data, **ONE_STEP, batch_size=size, accumulation=-(-rows // size), loss=loss)
    assert one.steps == other.steps == 1
    np.testing.assert_allclose(parts, whole, atol=2e-6)
    np.testing.assert_allclose(other.loss_sum, one.loss_sum, rtol=1e-5)
    np.testing.assert_allclose(other.statistics.norm_sum, one.statistics.norm_sum, rtol=1e-4)


@SETTINGS
@given(data=st.data(), rows=st.integers(1, 12), size=st.integers(1, 12), chained=st.booleans())
def test_of_tokens_of_which_rows_have_different_numbers(data: Any, rows: int, size: int, chained: bool) -> None:
    counts = data.draw(st.lists(st.integers(0, 7), min_size=rows, max_size=rows))
    labels = torch.full((rows, 7), LEFT_OUT)
    for row, count in enumerate(counts):
        labels[row, :count] = torch.arange(count) % 3
    whole, parts = (_stepped(labels, batch, chained=chained) for batch in (rows, size))
    torch.testing.assert_close(parts, whole, atol=2e-6, rtol=1e-5)


def _stepped(labels: torch.Tensor, size: int, *, chained: bool) -> torch.Tensor:
    """The table of tags' scores after one step over all rows in batches of `size`."""
    draws = torch.Generator().manual_seed(1)
    inputs = torch.randn(*labels.shape, 4, generator=draws)
    network = torch.nn.Linear(4, 3)
    with torch.no_grad():
        network.weight.copy_(torch.randn(3, 4, generator=draws))
        network.bias.zero_()
    options = TextOptions().updated({**ONE_STEP, "batch_size": size, "accumulation": -(-len(labels) // size)})
    zeros = Chain(torch.zeros(3, 3), torch.zeros(3), torch.zeros(3))

    def objective(numbers: Any) -> Loss:
        logits = network(inputs[numbers])
        return chain_loss(logits, labels[numbers], zeros) if chained else token_loss(logits, labels[numbers], options)

    fit(
        job(
            network,
            drawn_rows(len(labels)),
            options,
            objective=objective,
            parameters=[DepthParameter(name, tensor, 1) for name, tensor in network.named_parameters()],
        )
    )
    return torch.cat([tensor.detach().ravel() for tensor in network.parameters()])
