"""One column as a Gaussian process over encoded configurations.

Cost is bounded: a process is conditioned on `MOST_POINTS` rows and fitted to `MOST_FITTED` of them, so a study of a
thousand trials is searched as quickly as one of a few hundred.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.columns import Column
from autoglm_coordinator.sampler.bayes.gaussian_process import Data, GaussianProcess, Unit, fit
from autoglm_coordinator.sampler.bayes.hyperparameters import Hyperparameters

Array = NDArray[np.float64]
MOST_POINTS = 300
"""Rows that a process is conditioned on; of more, the best and a spread of the others."""
MOST_FITTED = 160
"""Rows that hyperparameters are sought with."""
CERTAIN = 1e-9
"""Deviation of a prediction of what never changed."""
ENOUGH = 5
"""Equal values after which a column is taken for constant; rows by which rungs and links between classes are judged."""
MISLED = 1.2
"""By how much rungs may worsen what is predicted of trials that ended, before they are left out."""


@dataclass(frozen=True)
class ColumnModel:
    """Predicts one column at full fidelity.

    `level`, `deviation`: of the prediction that is made everywhere where `process` is None; `with_fidelity`: whether
    the process has a last column for it.
    """

    process: GaussianProcess | None
    level: float = 0.0
    deviation: float = 1.0
    with_fidelity: bool = False

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and deviation `(k,)` at `inputs` `(k, d)`, in the column's unit."""
        if self.process is None:
            return np.full(len(inputs), self.level), np.full(len(inputs), self.deviation)
        return self.process.predict(self._full(inputs))

    def believing(self, inputs: Array) -> ColumnModel:
        """As if its own prediction at `inputs` had been observed."""
        return replace(self, process=self.process and self.process.believing(self._full(inputs)))

    @property
    def left_out_error(self) -> float:
        """Mean square of by how much values at the end of training differ from what all others predict."""
        if self.process is None:
            return 0.0  # it never changes
        errors = self.process.left_out_errors()
        if self.with_fidelity:
            errors = errors[self.process.inputs[:, -1] == 1]
        return float(np.mean(errors**2)) if len(errors) else inf

    def _full(self, inputs: Array) -> Array:
        return np.column_stack([inputs, np.ones(len(inputs))]) if self.with_fidelity else inputs


class ModelBuilder:
    """Fits models to columns whose rows have the encodings `inputs` `(n, d)`, with columns in `groups` `(d,)`.

    `fidelity` `(n,)`: of the rows. `rng`: draws the rows where there are too many.
    """

    def __init__(self, inputs: Array, groups: NDArray[np.intp], fidelity: Array, rng: np.random.Generator) -> None:
        self._inputs, self._groups, self._fidelity, self._rng = inputs, groups, fidelity, rng

    @property
    def inputs(self) -> Array:
        """Of the rows, `(n, d)`."""
        return self._inputs

    @property
    def groups(self) -> NDArray[np.intp]:
        """Of the columns of `inputs`, `(d,)`."""
        return self._groups

    @property
    def fidelity(self) -> Array:
        """Of the rows, `(n,)`."""
        return self._fidelity

    def model(self, column: Column) -> ColumnModel:
        """Of one column."""
        known = np.flatnonzero(np.isfinite(column.values))
        if not len(known):
            return ColumnModel(None)
        if len(known) >= ENOUGH and np.ptp(column.values[known]) == 0:
            # A process would promise that what never changed changes where nobody looked.
            return ColumnModel(None, level=float(column.values[known[0]]), deviation=CERTAIN)
        data = Data(self._inputs[known], column.values[known], column.variances[known])
        if not column.trained or (self._fidelity[known] == 1).all():
            return ColumnModel(self._process(data, self._groups, sign=column.sign, exact=column.exact))
        return self._rung_model(data, self._fidelity[known], sign=column.sign)

    def held(self, labels: Array) -> GaussianProcess | None:
        """Of +1 where a row's constraints held and -1 where they did not; NaN: unknown. None where none was broken."""
        known = np.isfinite(labels)
        if not (labels[known] < 0).any():
            return None
        data = Data(self._inputs[known], labels[known], np.zeros(known.sum()))
        if (data.values > 0).any():
            return self._process(data, self._groups)
        # Nothing says how feasibility varies: it is unknown beyond a quarter of the cube's size from what was refused.
        parameters = int(self._groups.max()) + 1
        unknown = Hyperparameters(
            np.full(parameters, log(0.25 * sqrt(parameters))), log_signal=0.0, log_noise=log(0.01)
        )
        rows = chosen(data.values, MOST_POINTS, self._rng)
        return GaussianProcess(data.part(rows), self._groups, unknown, unit=Unit(0.0, 1.0))

    def _rung_model(self, data: Data, fidelity: Array, *, sign: float) -> ColumnModel:
        """Of what was also seen before the end of training: over inputs and fidelity, unless rungs mislead."""
        wide = replace(data, inputs=np.column_stack([data.inputs, fidelity]))
        rungs = self._process(wide, np.append(self._groups, self._groups.max() + 1), sign=sign)
        with_rungs = ColumnModel(rungs, with_fidelity=True)
        ended = np.flatnonzero(fidelity == 1)
        if len(ended) < ENOUGH:
            return with_rungs
        alone = ColumnModel(self._process(data.part(ended), self._groups, sign=sign))
        return with_rungs if with_rungs.left_out_error <= MISLED**2 * alone.left_out_error else alone

    def _process(
        self, data: Data, groups: NDArray[np.intp], *, sign: float = 1.0, exact: bool = False
    ) -> GaussianProcess:
        data = data.part(chosen(sign * data.values, MOST_POINTS, self._rng))
        hyperparameters = fit(data.part(chosen(sign * data.values, MOST_FITTED, self._rng)), groups, exact=exact)
        return GaussianProcess(data, groups, hyperparameters)


def chosen(merits: Array, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """All rows, or of too many the best half of `most` and a random half of the others."""
    if len(merits) <= most:
        return np.arange(len(merits))
    order = np.argsort(-merits, kind="stable")
    others = rng.permutation(order[most // 2 :])[: most - most // 2]
    return np.sort(np.concatenate([order[: most // 2], others]))
