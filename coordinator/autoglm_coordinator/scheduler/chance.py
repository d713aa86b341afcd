"""The chance that a TUNE becomes non-dominated, from above.

In a device class an evaluated variant dominates it that costs no more, in any figure, than the cheapest of its own
variants does, unless it ends better in a metric by what the validation rows can tell apart. All that is not known
speaks for the TUNE: its metrics are those of the model before compression, its cost in each figure is that of the
variant that is cheapest in it, and the chances of its metrics are added up, which bounds the chance of any of them
however they correlate (Boole's inequality). What is hopeless by this bound is hopeless.

A difference below `RESOLUTION` standard errors is none: two models judged by the same rows differ by as much for no
reason even where their errors correlate at 0.995.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.scheduler.api import Figures, Stand, Standing
from autoglm_coordinator.scheduler.prediction import Prediction, predict, spread_of
from autoglm_core.objective import Objective

Array = NDArray[np.float64]
RESOLUTION = 0.1


@dataclass(frozen=True)
class Chances:
    """`metrics`: the objectives that validation rows show; `costs`: the others. `standings`: of the whole study."""

    metrics: Sequence[Objective]
    costs: Sequence[Objective]
    standings: Sequence[Standing]

    def of(self, standing: Standing) -> float:
        """The chance of `standing`; 1 where too little is known to say."""
        predictions = self._predictions(standing)
        if not (predictions and standing.costs):
            return 1.0
        bounds = [self._hardest(predictions, costs, name) for name, costs in standing.costs.items()]
        known = [bound for bound in bounds if bound is not None]
        if len(known) < len(bounds):
            return 1.0
        # Whichever front it reaches, in some metric it beats what dominates it there: so at least the lowest of these.
        return float(_any_above(predictions, np.min(known, axis=0, keepdims=True))[0])

    def _predictions(self, standing: Standing) -> list[Prediction]:
        """The final value of each metric, larger is better; none where one of them cannot be predicted."""
        found = [self._prediction(standing, column) for column in range(len(self.metrics))]
        return [prediction for prediction in found if prediction is not None] if None not in found else []

    def _prediction(self, standing: Standing, column: int) -> Prediction | None:
        rung, row = standing.rung, self._places[standing.tune]
        features = self._features(rung, column)
        known = np.isfinite(features).all(axis=1) & np.isfinite(self._ends[:, column])
        ended = known & self._finished
        if not (known[row] and ended.any()):
            return None
        resolution = RESOLUTION * standing.rungs[rung][self.metrics[column].metric].standard_error
        # TUNEs mostly draw together: where they differ less at a later rung, they will not differ more at the end.
        later = [values[np.isfinite(values[:, column]), column] for at, values in self._at.items() if at >= rung]
        spread = min(spread_of(values, resolution) for values in later if values.size)
        ends = self._ends[ended, column]
        predicted = predict(features[row], finished=features[ended], ends=ends, spread=spread)
        return replace(predicted, mean=predicted.mean - resolution)

    def _features(self, rung: int, column: int) -> Array:
        """`(standings, 1 or 2)`: the metric at the rung, and its gain since the rung below."""
        values = self._at[rung][:, column]
        below = max((at for at in self._at if at < rung), default=None)
        return values[:, None] if below is None else np.stack([values, values - self._at[below][:, column]], axis=1)

    def _hardest(self, predictions: Sequence[Prediction], costs: Figures, device_class: str) -> Array | None:
        """The metrics, larger is better, of the variant that is the hardest to escape; None where none dominates."""
        points, own = self._points.get(device_class), _row(costs, self.costs)
        if points is None:
            return None
        shown = len(self.metrics)
        # A figure that is not known compares as false.
        dominating = (points[:, shown:] >= own).all(axis=1) & np.isfinite(points[:, :shown]).all(axis=1)
        bounds = points[dominating, :shown]
        return bounds[np.argmin(_any_above(predictions, bounds))] if len(bounds) else None

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {entry.tune: place for place, entry in enumerate(self.standings)}

    @cached_property
    def _finished(self) -> NDArray[np.bool_]:
        return np.array([entry.stand is Stand.FINISHED for entry in self.standings], bool)

    @cached_property
    def _at(self) -> Mapping[int, Array]:
        """By rung the metrics `(standings, metrics)`, larger is better."""
        rungs = {rung for entry in self.standings for rung in entry.rungs}
        return {rung: self._values([rung] * len(self.standings)) for rung in rungs}

    @cached_property
    def _ends(self) -> Array:
        return self._values([entry.rung for entry in self.standings])

    def _values(self, rungs: Sequence[int]) -> Array:
        """The metrics of each standing at its entry of `rungs`."""
        pairs = zip(self.standings, rungs, strict=True)
        return np.array([[value_at(entry, rung, metric) for metric in self.metrics] for entry, rung in pairs], float)

    @cached_property
    def _points(self) -> Mapping[str, Array]:
        """By device class every evaluated variant, `(n, metrics and costs)`, larger is better."""
        objectives = (*self.metrics, *self.costs)
        rows: dict[str, list[Array]] = {}
        for entry in self.standings:
            for device_class, points in entry.points.items():
                rows.setdefault(device_class, []).extend(_row(point, objectives) for point in points)
        return {name: np.array(points) for name, points in rows.items() if points}


def value_at(standing: Standing, rung: int, metric: Objective) -> float:
    """The metric at the rung, larger is better; NaN where it is not known."""
    measured = standing.rungs.get(rung, {}).get(metric.metric)
    return np.nan if measured is None else metric.direction.sign * measured.mean


def _row(figures: Figures, objectives: Sequence[Objective]) -> Array:
    return np.array(
        [entry.direction.sign * figures.get(entry.metric, np.nan) for entry in objectives], dtype=np.float64
    )


def _any_above(predictions: Sequence[Prediction], bounds: Array) -> Array:
    """`(k,)` at most the probability that some metric exceeds its bound, for `bounds` `(k, metrics)`."""
    chances = [prediction.above(bounds[:, column]) for column, prediction in enumerate(predictions)]
    total: Array = np.sum(chances, axis=0)
    return np.minimum(total, 1.0)
