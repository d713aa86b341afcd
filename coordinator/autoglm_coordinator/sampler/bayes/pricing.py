"""How much what a TUNE costs counts against what it promises.

EI-cool of Lee et al. 2020 (arXiv:2003.10870): the promise is divided by the cost to a power that falls from 1 to 0 as
the budget is used. Gain per cost alone would spend a whole study on what is cheap; at the end, when little is left to
be saved, what promises most is wanted whatever it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from autoglm_coordinator.sampler.bayes.acquisition import Promise
    from autoglm_coordinator.sampler.bayes.costs import Costs
    from autoglm_core.study import Budget
    from autoglm_core.trial import Observation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Priced:
    """An acquisition function: `promise`, against the cost of a new TUNE with so many `variants`."""

    promise: Promise
    costs: Costs
    cooling: float
    variants: int

    def __call__(self, inputs: Array) -> Array:
        """Log of the promise `(k,)` of `inputs` `(k, d)` less what they cost."""
        return self.promise(inputs) - self._price(inputs)

    def modelled(self, inputs: Array) -> Array:
        """The same from predictions alone, smooth in `inputs`."""
        return self.promise.modelled(inputs) - self._price(inputs)

    def _price(self, inputs: Array) -> Array:
        return self.cooling * self.costs.log_relative(inputs, variants=self.variants)


@dataclass(frozen=True)
class PerSecond:
    """An acquisition function: `promise` of variants of a tuned model, for each second that they take."""

    promise: Promise
    costs: Costs

    def __call__(self, inputs: Array) -> Array:
        """Log of the promise `(k,)` of `inputs` `(k, d)` per second."""
        return self.promise(inputs) - np.log(self.costs.of_variant(inputs))

    def modelled(self, inputs: Array) -> Array:
        """The same from predictions alone, smooth in `inputs`."""
        return self.promise.modelled(inputs) - np.log(self.costs.of_variant(inputs))


def cooling(budget: Budget | None, observations: Sequence[Observation], *, known: int) -> float:
    """1 at the beginning of the budget, 0 at its end, by whichever limit has least left.

    Args:
        budget: of the study; without one, cost counts fully.
        observations: of its final trials.
        known: trials begun, those under way among them.
    """
    if budget is None:
        return 1.0
    tunes = {entry.configuration.tune_key: entry.cost for entry in observations if entry.cost is not None}
    used = [known / budget.trials]
    if budget.wall is not None:
        seconds = sum(cost.tune_seconds for cost in tunes.values())
        seconds += sum(entry.cost.variant_seconds for entry in observations if entry.cost is not None)
        used.append(seconds / budget.wall.total_seconds())
    if budget.bytes is not None:
        used.append(sum(cost.tune_bytes for cost in tunes.values()) / budget.bytes)
    if budget.energy is not None:
        used.append(sum(cost.tune_joules for cost in tunes.values()) / budget.energy)
    return max(0.0, 1.0 - max(used))
