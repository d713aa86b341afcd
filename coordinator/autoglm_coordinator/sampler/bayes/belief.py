"""What is believed before a suggestion: predictions, which configurations count, and where to begin the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.chebyshev import MOST_GOALS, scalarised
from autoglm_coordinator.sampler.bayes.columns import Column
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.known_figures import KnownFigures
from autoglm_coordinator.sampler.bayes.surrogate import Predicted, Surrogate, build_surrogate
from autoglm_coordinator.sampler.bayes.targets import Targets, targets_of
from autoglm_coordinator.sampler.bayes.transfer import earlier_columns
from autoglm_coordinator.sampler.goals import Goals
from autoglm_coordinator.sampler.shapes import Shapes
from autoglm_core.objective import Direction
from autoglm_core.pareto import non_dominated
from autoglm_core.trial import Observation

Array = NDArray[np.float64]
EVEN = np.log(0.5)
"""Log probability of being feasible above which what is believed counts for a front."""


@dataclass(frozen=True)
class Belief:
    """`columns`: what `surrogate` predicts; `known`: figures of shapes in their place, if they are looked up.

    `seen` `(n, d)`: encodings of what was learned from and of what is believed; `counted` `(n, classes)`: which of them
    count for the front of which device class; `parents` `(p, latents)`: the members of the fronts.
    """

    columns: tuple[Column, ...]
    surrogate: Surrogate
    known: KnownFigures | None
    seen: Array
    counted: NDArray[np.bool_]
    parents: Array

    def predict(self, inputs: Array) -> Predicted:
        """Of the configurations with the encodings `inputs` `(k, d)`: known figures, and predictions of all others."""
        predicted = self.surrogate.predict(inputs)
        return predicted if self.known is None else self.known.in_place(predicted)

    def log_feasible(self, predicted: Predicted) -> Array:
        """Log probability `(k, classes)` of meeting the study's constraints."""
        return np.stack([entry.log_feasible(predicted) for entry in self.surrogate.classes], axis=1)

    def believing(self, inputs: Array) -> Belief:
        """As if the configurations with the encodings `inputs` `(k, d)` had been observed as predicted.

        They count where they are more likely feasible than not.
        """
        if not len(inputs):
            return self
        feasible = self.log_feasible(self.predict(inputs)) > EVEN
        return replace(
            self,
            surrogate=self.surrogate.believing(inputs),
            seen=np.vstack([self.seen, inputs]),
            counted=np.vstack([self.counted, feasible]),
        )


def belief_of(
    cube: UnitCube,
    goals: Goals,
    observations: Sequence[Observation],
    rng: np.random.Generator,
    *,
    shapes: Shapes | None = None,
    earlier: Sequence[Sequence[Observation]] = (),
) -> Belief | None:
    """What `observations` say; None where they say neither what is good nor what is infeasible.

    `shapes`: what is known of configurations before they are trained, where anything looks that up. `earlier`: what was
    observed in other studies of the space.
    """
    targets = targets_of(goals, observations)
    counted = np.stack([entry.complete for entry in targets.classes], axis=1)
    held = np.stack([entry.held for entry in targets.classes], axis=1)
    if not (counted.any() or (held != 1).any()):
        return None
    learned = [observations[row].configuration for row in targets.rows]
    inputs = cube.encode(learned)
    parents = [cube.latent(learned[row], fill=rng.random(cube.latents)) for row in _on_fronts(targets)]
    if any(len(entry.outcomes.goals) > MOST_GOALS for entry in targets.classes):
        targets = scalarised(targets, rng)
    return Belief(
        columns=targets.columns,
        surrogate=build_surrogate(
            targets,
            inputs,
            cube.groups,
            rng,
            earlier=[earlier_columns(cube, goals, study, rng) for study in earlier],
        ),
        known=None if shapes is None else KnownFigures(cube, shapes, targets.columns),
        seen=inputs,
        counted=counted,
        parents=np.array(parents).reshape(-1, cube.latents),
    )


def _on_fronts(targets: Targets) -> list[int]:
    """Rows on the front of some class."""
    rows: set[int] = set()
    for entry in targets.classes:
        complete = np.flatnonzero(entry.complete)
        values = entry.outcomes.values(targets.values[complete])
        rows |= set(complete[non_dominated(values, (Direction.MAXIMIZE,) * values.shape[1])].tolist())
    return sorted(rows)
