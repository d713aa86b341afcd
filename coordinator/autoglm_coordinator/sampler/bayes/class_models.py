"""One metric on several device classes: what one class shows is known of the others.

The class with most measurements has a model of its own. Every other is that one plus a difference with a process of its
own (autoregressive cokriging: Kennedy & O'Hagan 2000, doi:10.1093/biomet/87.1.1, fitted step by step as by Le Gratiet &
Garnier 2014, doi:10.1615/Int.J.UncertaintyQuantification.2014006914): a class that was measured on three trials is
predicted from the others, and one that was never measured too. Their slope is kept at 1, for costs enter by logarithms,
where classes that differ by a factor run in parallel; estimated from a few trials it was off by so much that it cost
more than it gave. A class with nearly as many trials as the first needs no help, nor one that its own trials alone
predict better, as soon as there are enough to tell. An intrinsic coregionalisation was rejected: one process over all
classes costs the cube of their number, and where all measured the same trials it gains nothing over processes apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.column_models import ENOUGH, ColumnModel, ModelBuilder
from autoglm_coordinator.sampler.bayes.columns import Column
from autoglm_coordinator.sampler.bayes.transfer import Earlier, TransferModel, learned

Array = NDArray[np.float64]
HELPED = 0.8
"""Classes with fewer trials than this share of the first one's are modelled with its help."""


@dataclass(frozen=True)
class LinkedModel:
    """A column as the one that `leader` models, plus what `difference` models."""

    leader: int
    difference: ColumnModel

    def predict(self, inputs: Array, leading: tuple[Array, Array]) -> tuple[Array, Array]:
        """Mean and deviation `(k,)` at `inputs` `(k, d)`, where `leading` is predicted of the leader."""
        mean, deviation = self.difference.predict(inputs)
        return leading[0] + mean, np.hypot(leading[1], deviation)

    def believing(self, inputs: Array) -> LinkedModel:
        """As if its own prediction at `inputs` had been observed."""
        return replace(self, difference=self.difference.believing(inputs))


Model = ColumnModel | TransferModel | LinkedModel


def models_of(columns: Sequence[Column], builder: ModelBuilder, earlier: Earlier = ()) -> tuple[Model, ...]:
    """One for each of `columns`. `earlier`: what other studies know of them."""
    models: dict[int, Model] = {}
    for metric in dict.fromkeys(column.metric for column in columns):
        numbers = [number for number, column in enumerate(columns) if column.metric == metric]
        leader = max(numbers, key=lambda number: np.isfinite(columns[number].values).sum())
        leading = learned(columns[leader], builder, earlier)
        models[leader] = leading
        least = HELPED * np.isfinite(columns[leader].values).sum()
        for number in numbers:
            if number != leader and 0 < least <= np.isfinite(columns[number].values).sum():
                models[number] = learned(columns[number], builder, earlier)
            elif number != leader:
                models[number] = _linked(columns[number], columns[leader], leader, leading, builder)
    return tuple(models[number] for number in range(len(columns)))


def _linked(
    column: Column, leader: Column, number: int, leading: ColumnModel | TransferModel, builder: ModelBuilder
) -> Model:
    values, variances = _observed_or_predicted(leader, leading, builder.inputs)
    difference = builder.model(
        replace(
            column,
            values=column.values - values,
            variances=column.variances + variances,
            exact=column.exact and leader.exact,
        )
    )
    linked = LinkedModel(number, difference)
    if np.isfinite(column.values).sum() < ENOUGH:
        return linked
    alone = builder.model(column)
    return alone if alone.left_out_error < leading.left_out_error + difference.left_out_error else linked


def _observed_or_predicted(column: Column, model: ColumnModel | TransferModel, inputs: Array) -> tuple[Array, Array]:
    """Values and variances `(n,)` of `column`, predicted where there is no figure; NaN where that would not be fair."""
    missing = np.flatnonzero(~np.isfinite(column.values))
    values, variances = column.values.copy(), column.variances.copy()
    # Predictions are of the end of training, which not all rows have seen.
    if len(missing) and not column.trained:
        mean, deviation = model.predict(inputs[missing])
        values[missing], variances[missing] = mean, deviation**2
    return values, variances
