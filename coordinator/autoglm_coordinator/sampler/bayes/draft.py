"""A suggestion in the making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.prediction import log_feasible, predicted
from autoglm_core.reason import How, Reason

if TYPE_CHECKING:
    from autoglm_coordinator.sampler.bayes.belief import Belief
    from autoglm_coordinator.sampler.bayes.candidates import Candidates
    from autoglm_coordinator.sampler.bayes.encoding import UnitCube
    from autoglm_coordinator.sampler.bayes.nesting import Stay
    from autoglm_core.configuration import Configuration

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """A configuration and how it came about.

    `log_gain`: log of what it promises, None where no model was asked; `seconds`: what it is expected to take, with its
    TUNE if that is still to be run, None where nothing is known of costs. `predicted`, `feasible`, `joules`: see
    `Reason`.
    """

    configuration: Configuration
    how: How
    log_gain: float | None = None
    seconds: float | None = None
    predicted: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    feasible: float | None = None
    joules: float | None = None

    @property
    def reason(self) -> Reason:
        """As it is kept with the trial."""
        return Reason(
            self.how,
            self.predicted,
            log_gain=self.log_gain,
            feasible=self.feasible,
            seconds=self.seconds,
            joules=self.joules,
        )

    def expecting(self, belief: Belief, inputs: Array) -> Choice:
        """With what `belief` expects at its encoding `inputs` `(1, d)`, before it is believed."""
        (told,) = predicted(belief, inputs)
        return replace(self, predicted=told, feasible=float(np.exp(log_feasible(belief, inputs)[0])))


@dataclass(frozen=True)
class Draft:
    """The `choices` so far, all of one `tune`; what may still be suggested and what is believed once they are taken.

    `stay`: None where the number of variants does not depend on what they cost.
    """

    choices: tuple[Choice, ...]
    candidates: Candidates
    belief: Belief | None
    stay: Stay | None

    @property
    def first(self) -> Configuration:
        """The configuration that fixed `tune`."""
        return self.choices[0].configuration

    @property
    def log_rate(self) -> float | None:
        """Log of the gain per second that it promises, None where that does not matter."""
        return None if self.stay is None else self.stay.log_rate

    def grown(self, choice: Choice, cube: UnitCube) -> Draft:
        """With `choice` taken."""
        candidates = self.candidates.fork()
        candidates.take(choice.configuration)
        belief = self.belief
        if belief is not None:
            inputs = cube.encode([choice.configuration])
            choice, belief = choice.expecting(belief, inputs), belief.believing(inputs)
        return replace(self, choices=(*self.choices, choice), candidates=candidates, belief=belief)

    def suggestion(self) -> Suggestion:
        """As it is handed out."""
        deploys = tuple(choice.configuration.deploy for choice in self.choices)
        return Suggestion(self.first.tune, deploys, tuple(choice.reason for choice in self.choices))
