"""What local training of a language model is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from autoglm_core.counters import Counters
from autoglm_core.workload import LocalRound
from autoglm_workloads.text.training.adaptive.decisions import Decision
from autoglm_workloads.text.training.adaptive.statistics import GradientStatistics
from autoglm_workloads.text.training.adaptive.tally import statistics_counters
from autoglm_workloads.text.training.batches import RowNumbers
from autoglm_workloads.text.training.options import TextOptions

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class DepthParameter:
    """A trained tensor; `depth`: 0 for embeddings, 1 for the first layer and so on; `head`: starts from nothing.

    `factors`: it multiplies what the model does, and 1 changes nothing; it has two sides, but is no matrix.
    """

    name: str
    tensor: Tensor
    depth: int
    head: bool = False
    factors: bool = False


@dataclass(frozen=True)
class Loss:
    """Of one batch. `mean`: what is minimised, per unit, with its graph; `units`: rows or tokens that count.

    `total`: the loss to report, summed over the units; it may stay on the device, so that nothing waits for it.
    """

    mean: Tensor
    units: int
    total: Tensor | float


@dataclass(frozen=True)
class Fit(Generic[Batch]):
    """One site's training in one round; `parameters` are changed in place, nothing else of `module` is."""

    module: Module
    parameters: Sequence[DepthParameter]
    lengths: RowNumbers
    """`(rows,)`: tokens of each training row."""
    collate: Callable[[RowNumbers], Batch]
    """From row numbers to what `objective` takes, on the module's device."""
    objective: Callable[[Batch], Loss]
    """Weights of classes are in it; it runs under autocast where `options.precision` asks for that."""
    options: TextOptions
    at: LocalRound
    rounds: int
    """Of the whole TUNE: the schedule spans them."""


@dataclass(frozen=True)
class Fitted:
    """What is left of a training beside the parameters."""

    loss_sum: float
    """Over the units of the last epoch."""
    units: int
    """Of the last epoch."""
    steps: int
    statistics: GradientStatistics
    decisions: tuple[Decision, ...]
    """Of the controller, oldest first; at most 256. They stay at the site but for their counts."""

    @property
    def notes(self) -> tuple[str, ...]:
        """The decisions as lines for the site's own log."""
        return tuple(
            f"step {made.step}: {made.what} {made.before:g} -> {made.after:g} ({made.reason}, at {made.statistic:.4g})"
            for made in self.decisions
        )

    def counters(self) -> Counters:
        """Counters of `tally.statistics_layout`."""
        return statistics_counters(self.statistics, self.decisions)
