"""One metric of all observations, as the surrogate models it.

Costs enter by their logarithm (see `sampler.goals`). What belongs to the model alone (accuracy, size) is one column for
all device classes; latency, energy and memory have one for each class. Noise is as known as it is: what was measured
repeatedly carries its own variance; what was counted on the one fixed validation set is off by the same amount for all
trials, so its binomial error is no noise between them, and what training adds is learned; what is exact has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import COST_METRICS, DEVICE_METRICS, Objective
from autoglm_core.trial import Observation

Array = NDArray[np.float64]
Figures = Sequence[Measurement | None]
REPEATED = frozenset({Provenance.MEASURED, Provenance.MODELLED})
"""Figures whose standard error comes from repetitions, and differs from trial to trial independently."""

LARGEST_LOGARITHM = 700.0
"""Of a number that can be written down."""


@dataclass(frozen=True)
class Column:
    """`metric` on `device_class`, or on all: `values` and known noise `variances` `(n,)`; NaN where there is no figure.

    `logarithmic`: values are logarithms. `exact`: without any noise. `trained`: depends on how many rounds were
    trained. `sign`: 1 where larger is better, -1 where smaller is.
    """

    metric: str
    device_class: str | None
    values: Array
    variances: Array
    logarithmic: bool
    exact: bool
    trained: bool
    sign: float

    @property
    def label(self) -> str:
        """`accuracy`, `gateway/latency_p95_ms`."""
        return self.metric if self.device_class is None else f"{self.device_class}/{self.metric}"

    def scaled(self, figure: float) -> float:
        """A figure of the metric as it stands in the column; minus infinity where it has no logarithm."""
        if not self.logarithmic:
            return figure
        return math.log(figure) if figure > 0 else -math.inf

    def in_own_unit(self, mean: float, deviation: float) -> tuple[float, float]:
        """Mean and deviation of a value of the column as of the metric; of a logarithm the deviation to first order."""
        if not self.logarithmic:
            return float(mean), float(deviation)
        figure = math.exp(min(mean, LARGEST_LOGARITHM))
        return figure, float(figure * deviation)


def columns_of(objective: Objective, classes: Sequence[str], observations: Sequence[Observation]) -> list[Column]:
    """The columns of the objective's metric: one for each of `classes` where devices measure it, else one."""
    metric, direction = objective.metric, objective.direction
    if classes and metric in DEVICE_METRICS:
        by_class: dict[str | None, Figures] = {
            name: [entry.classes.get(name, {}).get(metric) for entry in observations] for name in classes
        }
    else:
        by_class = {None: [shared_figure(entry.classes, entry.values, metric) for entry in observations]}
    known = [figure.mean for figures in by_class.values() for figure in figures if figure and _finite(figure)]
    logarithmic = metric in COST_METRICS and all(value > 0 for value in known)
    return [
        _column(metric, name, figures, logarithmic=logarithmic, sign=direction.sign)
        for name, figures in by_class.items()
    ]


def shared_figure(
    classes: Mapping[str, Mapping[str, Measurement]], merged: Mapping[str, Measurement], metric: str
) -> Measurement | None:
    """A figure of the model: that of any class, for it is the same on all, else what is merged."""
    named = [entry[metric] for _, entry in sorted(classes.items()) if metric in entry]
    return named[0] if named else merged.get(metric)


def _column(metric: str, device_class: str | None, figures: Figures, *, logarithmic: bool, sign: float) -> Column:
    values = np.array([figure.mean if figure and _finite(figure) else np.nan for figure in figures], float)
    errors = np.array(
        [figure.standard_error if figure and figure.provenance in REPEATED else 0.0 for figure in figures]
    )
    variances = np.where(np.isfinite(errors), errors, 0.0) ** 2
    if logarithmic:
        variances, values = variances / values**2, np.log(values)
    return Column(
        metric=metric,
        device_class=device_class,
        values=values,
        variances=np.where(np.isfinite(values), variances, np.nan),
        logarithmic=logarithmic,
        exact=all(figure is None or figure.provenance is Provenance.EXACT for figure in figures),
        trained=metric not in COST_METRICS,
        sign=sign,
    )


def _finite(figure: Measurement) -> bool:
    return math.isfinite(figure.mean)
