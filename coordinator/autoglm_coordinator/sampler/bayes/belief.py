"""What is believed before a suggestion: predictions, which configurations count, and where to begin the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.chebyshev import scalarised
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.surrogate import Surrogate, build_surrogate
from autoglm_coordinator.sampler.bayes.targets import targets_of
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.objective import Direction
from autoglm_core.pareto import non_dominated
from autoglm_core.trial import Observation

Array = NDArray[np.float64]
MOST_GOALS = 4
"""More are searched as one random sum at a time."""


@dataclass(frozen=True)
class Belief:
    """`counted` `(n, columns)`: encodings of what counts for the front; `parents` `(p, latents)`: the front itself."""

    surrogate: Surrogate
    counted: Array
    parents: Array

    def believing(self, inputs: Array) -> Belief:
        """As if the configurations with the encodings `inputs` `(k, columns)` had been observed as predicted."""
        if not len(inputs):
            return self
        return replace(self, surrogate=self.surrogate.believing(inputs), counted=np.vstack([self.counted, inputs]))


def belief_of(
    cube: UnitCube, goals: Goals, observations: Sequence[Observation], rng: np.random.Generator
) -> Belief | None:
    """What `observations` say; None where they say neither what is good nor what is infeasible."""
    targets = targets_of(goals, observations)
    if not (targets.complete.any() or targets.infeasible.any()):
        return None
    learned = [observations[row].configuration for row in targets.rows]
    inputs = cube.encode(learned)
    values = targets.values[targets.complete]
    front = non_dominated(values, (Direction.MAXIMIZE,) * values.shape[1])
    members = [learned[row] for row in np.flatnonzero(targets.complete)[front]]
    parents = [cube.latent(member, fill=rng.random(cube.latents)) for member in members]
    if len(targets.goals) > MOST_GOALS:
        targets = scalarised(targets, rng)
    return Belief(
        surrogate=build_surrogate(targets, inputs, cube.groups, rng),
        counted=inputs[targets.complete],
        parents=np.array(parents).reshape(-1, cube.latents),
    )
