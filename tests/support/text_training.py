"""A small classifier of drawn rows, as the loop of language models takes it: it knows rows and tensors, not texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autoglm_core.workload import LocalRound
from autoglm_workloads.text.training.job import DepthParameter, Fit, Fitted
from autoglm_workloads.text.training.loop import fit
from autoglm_workloads.text.training.losses import classification_loss
from autoglm_workloads.text.training.options import TextOptions

ROWS, FEATURES, CLASSES = 96, 6, 3
SEED = b"s" * 32
PLAIN = TextOptions(learning_rate=0.01, batch_size=8, schedule="constant", clip_norm=0.0)


@dataclass(frozen=True)
class Rows:
    """`inputs` `(rows, features)`, `labels` `(rows,)` that a small network can learn most of."""

    inputs: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def drawn_rows(rows: int = ROWS, *, seed: int = 0) -> Rows:
    draws = np.random.default_rng(seed)
    inputs = draws.normal(size=(rows, FEATURES)).astype(np.float32)
    labels = (inputs[:, :CLASSES] + 0.5 * draws.normal(size=(rows, CLASSES))).argmax(axis=1)
    return Rows(torch.from_numpy(inputs), torch.from_numpy(labels))


def small_network(*, dropout: float = 0.0) -> torch.nn.Sequential:
    """Two layers and a head, the same on every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(FEATURES, 16),
            torch.nn.Tanh(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(16, CLASSES),
        )


def depth_parameters(network: torch.nn.Sequential) -> list[DepthParameter]:
    """The first layer at depth 1, the head at depth 4."""
    return [
        DepthParameter(name, tensor, 4 if name.startswith("3") else 1, name.startswith("3"))
        for name, tensor in network.named_parameters()
    ]


def job(network: torch.nn.Sequential, rows: Rows, options: TextOptions, **changes: Any) -> Fit[NDArray[np.int64]]:
    """Training of `network` on `rows`; `changes` replace fields of the job."""

    def objective(numbers: NDArray[np.int64]) -> Any:
        return classification_loss(network(rows.inputs[numbers]), rows.labels[numbers], options)

    fields: dict[str, Any] = {
        "module": network,
        "parameters": depth_parameters(network),
        "lengths": np.arange(len(rows)) % 7 + 1,
        "collate": lambda numbers: numbers,
        "objective": objective,
        "options": options,
        "at": LocalRound(1, SEED),
        "rounds": 1,
    }
    return Fit(**(fields | changes))


def trained(
    rows: Rows | None = None, *, dropout: float = 0.0, changes: dict[str, Any] | None = None, **options: Any
) -> tuple[NDArray[np.float32], Fitted]:
    """All weights as one vector after training with `options` on `rows`, and what the training says of itself."""
    network = small_network(dropout=dropout)
    outcome = fit(job(network, rows or drawn_rows(), PLAIN.updated(options), **(changes or {})))
    return weights(network), outcome


def weights(network: torch.nn.Module) -> NDArray[np.float32]:
    return np.concatenate([tensor.detach().numpy().ravel() for tensor in network.parameters()])
