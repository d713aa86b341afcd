"""What a batch with rows of several tasks is, and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_workloads.text.tokens import LEFT_OUT

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_workloads.text.network import Network
    from autoglm_workloads.text.tasks.api import Lesson
    from autoglm_workloads.text.tasks.parts import Part
    from autoglm_workloads.text.tasks.task_rows import TaskRows
    from autoglm_workloads.text.training.job import Loss


def multi_targets(
    rows: TaskRows, lessons: Sequence[Lesson], chosen: NDArray[np.int64], *, longest: int
) -> NDArray[np.int64]:
    """`(rows, 1 + longest)`: the place of each row's task, then its targets, of a text in the first column."""
    owners = rows.owners(chosen)
    targets = np.full((chosen.size, 1 + longest), LEFT_OUT, np.int64)
    targets[:, 0] = owners
    for place in np.unique(owners):
        own = np.flatnonzero(owners == place)
        found = lessons[place].targets(chosen[own] - rows.starts[place]).reshape(own.size, -1)
        targets[own, 1 : 1 + found.shape[1]] = found
    return targets


def multi_loss(
    network: Network,
    ids: Tensor,
    targets: Tensor,
    *,
    parts: Sequence[Part],
    lessons: Sequence[Lesson],
    weights: Sequence[float],
    learned: bool,
) -> Loss:
    """Of `ids` `(rows, tokens)` and `targets` as of `multi_targets`; `weights`: of a row of each task.

    Its units are rows, whatever a task's own are, so that batches are accumulated in the proportion of their rows.
    """
    import torch

    from autoglm_workloads.text.training.job import Loss

    mean, total, units = ids.new_zeros((), dtype=torch.float32), ids.new_zeros((), dtype=torch.float64), 0
    for place, (part, lesson, weight) in enumerate(zip(parts, lessons, weights, strict=True)):
        own = (targets[:, 0] == place).nonzero().squeeze(1)
        if not own.numel():
            continue
        found = lesson.loss(network, ids[own], targets[own, 1:] if part.by_token else targets[own, 1])
        if not found.units:
            mean = mean + found.mean * 0.0
            continue
        one = found.mean
        if learned:
            uncertainty = network.parameter(f"uncertainty.{part.name}")
            one = torch.exp(-uncertainty) * one + uncertainty / 2
        mean = mean + one * (weight * own.numel())
        total = total + found.total * (own.numel() / found.units)
        units += own.numel()
    return Loss(mean / max(units, 1), units, total)
