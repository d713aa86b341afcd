"""How many variants of a tuned model are worth their cost.

A TUNE is dear and what is made of its model is cheap, so a sampler stays with a tuned model like a forager in a patch:
until the next variant promises less per second than leaving would, which costs another TUNE (the marginal value
theorem, Charnov 1976, doi:10.1016/0040-5809(76)90040-X). What a TUNE promised per second with the variants chosen so
far, itself included, stands for what the next one will. Gains are weighed per second here as long as there is budget:
how much the cost of a TUNE counts against its promise is another question (`pricing`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from autoglm_coordinator.sampler.bayes.costs import Costs
    from autoglm_coordinator.sampler.bayes.draft import Choice

Array = NDArray[np.float64]

FIRST_VARIANTS = 4
"""Variants of a tuned model before costs and gains are known."""
MOST_VARIANTS = 16
FURTHER_SHARE = 0.3
"""Of what a TUNE with one variant costs: the most that all its further variants may cost together."""


@dataclass(frozen=True)
class Stay:
    """With one tuned model.

    Attributes:
        one: seconds that its TUNE takes with one variant, on average: many a TUNE is stopped at a rung, and its
            variants were measured for nothing.
        variants: how many it has.
        further: seconds of all but the first.
        spent: seconds of what is being suggested now: without the TUNE where that was run before.
        log_gain: log of what is being suggested promises, None where no model was asked.
    """

    one: float
    variants: int
    further: float
    spent: float
    log_gain: float | None

    @classmethod
    def begun(cls, costs: Costs, inputs: Array, *, earlier: int, log_gain: float | None) -> Stay:
        """With the one variant whose encoding is `inputs` `(1, d)`, under a model with `earlier` variants."""
        tune, own = float(costs.of_tune(inputs)[0]), float(costs.of_variant(inputs)[0])
        if earlier:
            return cls(tune + own, earlier + 1, earlier * own, own, log_gain)
        return cls(costs.reached * tune + own, 1, 0.0, tune + own, log_gain)

    @property
    def log_rate(self) -> float | None:
        """Log of the gain per second."""
        return None if self.log_gain is None else self.log_gain - log(self.spent)

    def is_worth(self, choice: Choice, log_rate: float | None = None) -> bool:
        """Whether a further variant is within bounds and promises as much per second as leaving.

        `log_rate`: log of what leaving promises per second; what this stay does if it is not given.
        """
        if choice.seconds is None or not self.allows(choice.seconds):
            return False
        wanted = self.log_rate if log_rate is None else log_rate
        if wanted is None:
            return True
        return choice.log_gain is not None and choice.log_gain - log(choice.seconds) >= wanted

    @property
    def is_within(self) -> bool:
        """Whether it has no more variants than it may, and these take no more than they may."""
        most = FIRST_VARIANTS if self.log_gain is None else MOST_VARIANTS
        return self.variants <= most and self.further <= FURTHER_SHARE * self.one

    def allows(self, seconds: float) -> bool:
        """Whether a further variant of `seconds` stays within bounds."""
        return replace(self, variants=self.variants + 1, further=self.further + seconds).is_within

    def longer(self, choice: Choice) -> Stay:
        """With a further variant, whose cost is known."""
        seconds = choice.seconds or 0.0
        gains = [gain for gain in (self.log_gain, choice.log_gain) if gain is not None]
        together = float(np.logaddexp.reduce(gains)) if gains else None
        return Stay(self.one, self.variants + 1, self.further + seconds, self.spent + seconds, together)
