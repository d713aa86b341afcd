"""What earlier studies of the same space teach about a column: where it varies, not how high it is.

Their figures never count for a front, and never stand beside the study's own: other data, other machines. What a
process of an earlier study's column predicts is, times a slope, the prior mean of the study's own column, and only what
the study's own trials differ from it by has a process: a machine that is three times slower is a constant difference of
logarithms. How sure a prediction is follows from the study's own trials alone, and where the earlier study saw nothing
its prediction is flat. With `ENOUGH` trials that were tuned to the end, a column is modelled so only if it then
predicts each of them from the others better than without; of several earlier studies the one that does so best is
taken. Rejected: earlier trials as rows with noise of their own, which share hyperparameters and rows with the study's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.column_models import ENOUGH, ColumnModel, ModelBuilder, chosen
from autoglm_coordinator.sampler.bayes.columns import Column
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.gaussian_process import Data, GaussianProcess, Unit
from autoglm_coordinator.sampler.bayes.hyperparameters import Hyperparameters
from autoglm_coordinator.sampler.bayes.targets import targets_of
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.trial import Observation

Array = NDArray[np.float64]
TRUST = 3.0
"""Trials that the belief in a slope of 1 is worth."""
MOST_ROWS = 120
"""Of one earlier study that are learned from: the best and a random half of the others."""
DIFFERS = 0.5
"""Spread of the difference before enough is known of it, as a share of the earlier study's spread."""


@dataclass(frozen=True)
class EarlierColumn:
    """A column of an earlier study: its `model`, and the `spread` of its values."""

    label: str
    logarithmic: bool
    model: ColumnModel
    spread: float


@dataclass(frozen=True)
class TransferModel:
    """A column as `slope` times the mean of `earlier`, plus what `difference` models."""

    earlier: ColumnModel
    slope: float
    difference: ColumnModel

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and deviation `(k,)` at `inputs` `(k, d)`, in the column's unit."""
        mean, deviation = self.difference.predict(inputs)
        return self.slope * self.earlier.predict(inputs)[0] + mean, deviation

    @property
    def left_out_error(self) -> float:
        """See `ColumnModel.left_out_error`."""
        return self.difference.left_out_error

    def believing(self, inputs: Array) -> TransferModel:
        """As if its own prediction at `inputs` had been observed."""
        return replace(self, difference=self.difference.believing(inputs))


Earlier = Sequence[Sequence[EarlierColumn]]
"""By study."""


def earlier_columns(
    cube: UnitCube, goals: Goals, observations: Sequence[Observation], rng: np.random.Generator
) -> list[EarlierColumn]:
    """The columns of one earlier study's `observations`, as far as something is known in them."""
    targets = targets_of(goals, observations)
    inputs = cube.encode([observations[row].configuration for row in targets.rows])
    columns = []
    for column in targets.columns:
        known = np.flatnonzero(np.isfinite(column.values))
        if len(known) < ENOUGH or np.ptp(column.values[known]) == 0:
            continue
        rows = known[chosen(column.sign * column.values[known], MOST_ROWS, rng)]
        part = replace(column, values=column.values[rows], variances=column.variances[rows])
        model = ModelBuilder(inputs[rows], cube.groups, targets.fidelity[rows], rng).model(part)
        columns.append(EarlierColumn(column.label, column.logarithmic, model, float(np.std(column.values[rows]))))
    return columns


def learned(column: Column, builder: ModelBuilder, earlier: Earlier) -> ColumnModel | TransferModel:
    """The model of `column`, with what an earlier study teaches where that does not mislead."""
    alone = builder.model(column)
    fitting = [
        entry
        for study in earlier
        for entry in study
        if (entry.label, entry.logarithmic) == (column.label, column.logarithmic)
    ]
    if not fitting or not np.isfinite(column.values).any():
        return alone
    models = [_transferred(column, builder, entry) for entry in fitting]
    if _ended(column, builder) < ENOUGH:
        return models[0]
    best = min(models, key=lambda model: model.left_out_error)
    return best if best.left_out_error < alone.left_out_error else alone


def _ended(column: Column, builder: ModelBuilder) -> int:
    return int((np.isfinite(column.values) & (builder.fidelity == 1)).sum())


def _transferred(column: Column, builder: ModelBuilder, entry: EarlierColumn) -> TransferModel:
    before = entry.model.predict(builder.inputs)[0]
    slope = _slope(before, column.values, entry.spread)
    values = column.values - slope * before
    if _ended(column, builder) >= ENOUGH:
        difference = builder.model(replace(column, values=values))
    else:
        difference = _little_known(values, column.variances, builder, DIFFERS * entry.spread)
    return TransferModel(entry.model, slope, difference)


def _slope(before: Array, own: Array, spread: float) -> float:
    """Ridge regression towards 1."""
    known = np.isfinite(own)
    x, y = before[known] - before[known].mean(), own[known] - own[known].mean()
    trust = TRUST * spread**2
    return float((x @ y + trust) / (x @ x + trust))


def _little_known(values: Array, variances: Array, builder: ModelBuilder, spread: float) -> ColumnModel:
    """A process that changes slowly: too few rows to fit one to."""
    ended = np.isfinite(values) & (builder.fidelity == 1)
    known = np.flatnonzero(ended if ended.any() else np.isfinite(values))
    data = Data(builder.inputs[known], values[known], variances[known])
    parameters = int(builder.groups.max()) + 1
    slow = Hyperparameters(np.full(parameters, log(sqrt(parameters))), log_signal=0.0, log_noise=log(0.01))
    unit = Unit(float(np.mean(data.values)), spread)
    return ColumnModel(GaussianProcess(data, builder.groups, slow, unit=unit))
