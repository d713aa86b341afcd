"""The surrogate of a study: a model for each column, and for each device class what they mean there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from autoglm_coordinator.sampler.bayes.class_models import LinkedModel, Model, models_of
from autoglm_coordinator.sampler.bayes.column_models import ModelBuilder
from autoglm_coordinator.sampler.bayes.gaussian_process import GaussianProcess, Unit, unit_of
from autoglm_coordinator.sampler.bayes.outcomes import Outcomes
from autoglm_coordinator.sampler.bayes.targets import ClassTargets, Targets
from autoglm_coordinator.sampler.bayes.transfer import Earlier

Array = NDArray[np.float64]
LEAST_DEVIATION = 1e-6
"""Of a goal, in units of its spread."""
DOUBT = 0.05
"""Smallest deviation of what lies between -1, broken, and 1, held."""


@dataclass(frozen=True)
class Predicted:
    """Of some configurations: their `inputs` `(k, d)`, and `mean` and `deviation` `(k, c)` of the columns there."""

    inputs: Array
    mean: Array
    deviation: Array

    def part(self, rows: NDArray[np.intp]) -> Predicted:
        """Some rows."""
        return Predicted(self.inputs[rows], self.mean[rows], self.deviation[rows])


@dataclass(frozen=True)
class ClassSurrogate:
    """One device class: `units` of its goals; `held`: of what no metric explains, None where nothing was broken."""

    outcomes: Outcomes
    units: tuple[Unit, ...]
    held: GaussianProcess | None

    def goals(self, predicted: Predicted) -> tuple[Array, Array]:
        """Mean and deviation `(k, m)` of the goals, larger better, each in units of its spread."""
        mean, deviation = self.outcomes.goals_of(predicted.mean, predicted.deviation)
        centre = np.array([unit.centre for unit in self.units])
        scale = np.array([unit.scale for unit in self.units])
        return (mean - centre) / scale, np.maximum(deviation / scale, LEAST_DEVIATION)

    @property
    def most(self) -> Array:
        """What the goals `(m,)` cannot exceed, in the same units; infinite where there is no such bound."""
        pairs = zip(self.outcomes.goals, self.units, strict=True)
        return np.array([(goal.most - unit.centre) / unit.scale for goal, unit in pairs])

    def log_feasible(self, predicted: Predicted) -> Array:
        """Log probability `(k,)` that a configuration meets the study's constraints on this class."""
        within = self.outcomes.log_within(predicted.mean, predicted.deviation)
        if self.held is None:
            return within
        mean, deviation = self.held.predict(predicted.inputs)
        result: Array = within + log_ndtr(mean / np.maximum(deviation, DOUBT))
        return result


@dataclass(frozen=True)
class Surrogate:
    """`columns`: a model each; `classes`: for each device class, what they mean there."""

    columns: tuple[Model, ...]
    classes: tuple[ClassSurrogate, ...]

    def predict(self, inputs: Array) -> Predicted:
        """Of the configurations with the encodings `inputs` `(k, d)`, trained to the end."""
        parts: dict[int, tuple[Array, Array]] = {}
        for number, model in enumerate(self.columns):
            if not isinstance(model, LinkedModel):
                parts[number] = model.predict(inputs)
        for number, model in enumerate(self.columns):
            if isinstance(model, LinkedModel):
                parts[number] = model.predict(inputs, parts[model.leader])
        numbers = range(len(self.columns))
        mean = np.stack([parts[number][0] for number in numbers], axis=1)
        return Predicted(inputs, mean, np.stack([parts[number][1] for number in numbers], axis=1))

    def believing(self, inputs: Array) -> Surrogate:
        """As if what it predicts at `inputs` had been observed: pending configurations and the earlier of a batch."""
        return replace(self, columns=tuple(model.believing(inputs) for model in self.columns))


def build_surrogate(
    targets: Targets, inputs: Array, groups: NDArray[np.intp], rng: np.random.Generator, *, earlier: Earlier = ()
) -> Surrogate:
    """Fit everything to `targets`, whose rows have the encodings `inputs` `(n, d)` with columns in `groups` `(d,)`.

    `earlier`: what other studies know of the columns.
    """
    builder = ModelBuilder(inputs, groups, targets.fidelity, rng)
    columns = models_of(targets.columns, builder, earlier)
    held: dict[bytes, GaussianProcess | None] = {}
    for entry in targets.classes:
        if entry.held.tobytes() not in held:
            held[entry.held.tobytes()] = builder.held(entry.held)
    classes = [
        ClassSurrogate(entry.outcomes, _units(entry, targets), held[entry.held.tobytes()]) for entry in targets.classes
    ]
    return Surrogate(columns, tuple(classes))


def _units(entry: ClassTargets, targets: Targets) -> tuple[Unit, ...]:
    """Spread of what each goal was seen at, at the end of training where that was reached."""
    ended = targets.fidelity == 1
    units = []
    for values in entry.outcomes.values(targets.values).T:
        known = np.isfinite(values)
        seen = values[known & ended] if (known & ended).any() else values[known]
        units.append(unit_of(seen) if len(seen) else Unit(0.0, 1.0))
    return tuple(units)
