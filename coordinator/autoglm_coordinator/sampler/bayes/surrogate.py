"""The surrogate of a study: one Gaussian process per goal and one for feasibility, over encoded configurations.

Cost is bounded: a process is conditioned on `MOST_POINTS` rows and fitted to `MOST_FITTED` of them, so a study of a
thousand trials is searched as quickly as one of a few hundred.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from autoglm_coordinator.sampler.bayes.gaussian_process import Data, GaussianProcess, Unit, fit, unit_of
from autoglm_coordinator.sampler.bayes.hyperparameters import Hyperparameters
from autoglm_coordinator.sampler.bayes.targets import Target, Targets

Array = NDArray[np.float64]
MOST_POINTS = 300
"""Rows that a process is conditioned on; of more, the best and a spread of the others."""
MOST_FITTED = 160
"""Rows that hyperparameters are sought with."""
CERTAIN = 1e-6
"""Smallest deviation of a prediction, in units of the values' spread."""
ENOUGH = 5
"""Equal values after which a goal is taken for constant; trials that ended with which rungs are judged."""
MISLED = 1.2
"""By how much rungs may worsen what is predicted of trials that ended, before they are left out."""
DOUBT = 0.05
"""Smallest deviation of a feasibility, which lies between -1 and 1."""


@dataclass(frozen=True)
class GoalModel:
    """Predicts one goal at full fidelity, in its own `unit`.

    `deviation`: of a prediction of 0 that is made everywhere where `process` is None; `with_fidelity`: whether the
    process has a last column for it.
    """

    process: GaussianProcess | None
    unit: Unit
    with_fidelity: bool = False
    deviation: float = 1.0

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and deviation `(k,)` at `inputs` `(k, d)`."""
        if self.process is None:
            return np.zeros(len(inputs)), np.full(len(inputs), self.deviation)
        mean, deviation = self.process.predict(self._full(inputs))
        return (mean - self.unit.centre) / self.unit.scale, np.maximum(deviation / self.unit.scale, CERTAIN)

    def believing(self, inputs: Array) -> GoalModel:
        """As if its own prediction at `inputs` had been observed."""
        return replace(self, process=self.process and self.process.believing(self._full(inputs)))

    def _full(self, inputs: Array) -> Array:
        return np.column_stack([inputs, np.ones(len(inputs))]) if self.with_fidelity else inputs


@dataclass(frozen=True)
class Surrogate:
    """`goals`: a model each; `feasibility`: of +1 feasible and -1 not, None where nothing infeasible is known."""

    goals: tuple[GoalModel, ...]
    feasibility: GaussianProcess | None

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and deviation `(k, m)` of the goals at full fidelity, each in units of its spread."""
        predicted = [goal.predict(inputs) for goal in self.goals]
        return np.stack([mean for mean, _ in predicted], 1), np.stack([deviation for _, deviation in predicted], 1)

    def log_feasible(self, inputs: Array) -> Array:
        """Log probability `(k,)` that a configuration meets the study's constraints."""
        if self.feasibility is None:
            return np.zeros(len(inputs))
        mean, deviation = self.feasibility.predict(inputs)
        result: Array = log_ndtr(mean / np.maximum(deviation, DOUBT))
        return result

    def believing(self, inputs: Array) -> Surrogate:
        """As if what it predicts at `inputs` had been observed: pending configurations and the earlier of a batch."""
        return replace(self, goals=tuple(goal.believing(inputs) for goal in self.goals))


def build_surrogate(targets: Targets, inputs: Array, groups: NDArray[np.intp], rng: np.random.Generator) -> Surrogate:
    """Fit everything to `targets`, whose rows have the encodings `inputs` `(n, d)` with columns in `groups` `(d,)`."""
    goals = tuple(_goal_model(target, targets.fidelity, inputs, groups, rng) for target in targets.goals)
    return Surrogate(goals, _feasibility(targets, inputs, groups, rng))


def _goal_model(
    target: Target, fidelity: Array, inputs: Array, groups: NDArray[np.intp], rng: np.random.Generator
) -> GoalModel:
    known = np.flatnonzero(np.isfinite(target.values))
    if not len(known):
        return GoalModel(None, Unit(0.0, 1.0))
    if len(known) >= ENOUGH and np.ptp(target.values[known]) == 0:
        # A process would promise that what never changed changes where nobody looked.
        return GoalModel(None, unit_of(target.values[known]), deviation=CERTAIN)
    data = Data(inputs[known], target.values[known], target.variances[known])
    ended = fidelity[known] == 1
    if not target.trained or ended.all():
        return GoalModel(_process(data, groups, rng, exact=target.exact), unit_of(data.values))
    return _rung_model(data, fidelity[known], groups, rng)


def _rung_model(data: Data, fidelity: Array, groups: NDArray[np.intp], rng: np.random.Generator) -> GoalModel:
    """Of a goal that was also seen before the end of training: over inputs and fidelity, unless rungs mislead."""
    wide = replace(data, inputs=np.column_stack([data.inputs, fidelity]))
    rungs = _process(wide, np.append(groups, groups.max() + 1), rng)
    with_rungs = GoalModel(rungs, unit_of(data.values), with_fidelity=True)
    ended = np.flatnonzero(fidelity == 1)
    if len(ended) < ENOUGH:
        return with_rungs
    full = data.part(ended)
    alone = _process(full, groups, rng)
    errors = rungs.left_out_errors()[rungs.inputs[:, -1] == 1]
    if np.mean(errors**2) <= MISLED**2 * np.mean(alone.left_out_errors() ** 2):
        return with_rungs
    return GoalModel(alone, unit_of(full.values))


def _feasibility(
    targets: Targets, inputs: Array, groups: NDArray[np.intp], rng: np.random.Generator
) -> GaussianProcess | None:
    if not targets.infeasible.any():
        return None
    labels = np.where(targets.infeasible, -1.0, 1.0)
    data = Data(inputs, labels, np.zeros(len(labels)))
    if not targets.infeasible.all():
        return _process(data, groups, rng)
    # Nothing says how feasibility varies: it is unknown beyond a quarter of the cube's size from what was refused.
    parameters = int(groups.max()) + 1
    unknown = Hyperparameters(np.full(parameters, log(0.25 * sqrt(parameters))), log_signal=0.0, log_noise=log(0.01))
    return GaussianProcess(data.part(_chosen(labels, MOST_POINTS, rng)), groups, unknown, unit=Unit(0.0, 1.0))


def _process(data: Data, groups: NDArray[np.intp], rng: np.random.Generator, *, exact: bool = False) -> GaussianProcess:
    data = data.part(_chosen(data.values, MOST_POINTS, rng))
    hyperparameters = fit(data.part(_chosen(data.values, MOST_FITTED, rng)), groups, exact=exact)
    return GaussianProcess(data, groups, hyperparameters)


def _chosen(values: Array, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """All rows, or of too many the best half of `most` and a random half of the others."""
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(-values, kind="stable")
    others = rng.permutation(order[most // 2 :])[: most - most // 2]
    return np.sort(np.concatenate([order[: most // 2], others]))
