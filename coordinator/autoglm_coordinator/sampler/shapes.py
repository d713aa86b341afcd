"""What is known of a configuration before it is trained: the figures of its shape.

Latency, energy, memory and size depend on a variant's shape and threads. What PROBE measured of them for one trial, in
whatever state that trial is, holds for every other of the same shape; what follows from the shape alone is computed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import ANY_DEVICE, COST_METRICS, EXACT_METRICS

if TYPE_CHECKING:
    from autoglm_core.bound import Bound
    from autoglm_core.configuration import Configuration
    from autoglm_core.study import Study
    from autoglm_core.trial import Trial
    from autoglm_core.workload import ModelSide

Figures = Mapping[str, Mapping[str, Measurement]]
"""By device class, then by metric."""


class Shapes(Protocol):
    """Looks figures up."""

    def shape(self, configuration: Configuration) -> Hashable:
        """What all of its variant but the weights follows from, threads included; of one TUNE, the weights too."""
        ...

    def known(self, configuration: Configuration) -> Figures:
        """The figures of `configuration` that are certain before it is trained; empty where there are none."""
        ...


def refused_by_all(bounds: Sequence[Bound], known: Figures) -> bool:
    """Whether it is certain that every device class has a figure that breaks one of `bounds`."""
    return bool(known) and all(
        any(bound.name in figures and not bound.holds(figures[bound.name].mean) for bound in bounds)
        for figures in known.values()
    )


class MeasuredShapes:
    """What the `trials` of `study` measured, and what `side` computes. A shape is computed once."""

    def __init__(self, study: Study, side: ModelSide, trials: Sequence[Trial]) -> None:
        self._study, self._side = study, side
        self._computed: dict[str, dict[str, Measurement]] = {}
        self._exact = any(metric in study.metrics for metric in EXACT_METRICS)
        self._measured: dict[tuple[str, int], dict[str, dict[str, Measurement]]] = {}
        # In order of number, so that the first measurement stands, as in the store.
        for trial in sorted(trials, key=lambda trial: trial.number, reverse=True):
            for device_class, figures in trial.measurements.items():
                costs = {metric: figure for metric, figure in figures.items() if metric in COST_METRICS}
                self._measured.setdefault(self.shape(trial.configuration), {})[device_class] = costs

    def shape(self, configuration: Configuration) -> tuple[str, int]:
        """See `Shapes.shape`."""
        return self._side.shape_key(self._study, configuration), configuration.threads

    def known(self, configuration: Configuration) -> Figures:
        """See `Shapes.known`."""
        key = self.shape(configuration)
        computed = self._computed_of(configuration, key[0])
        measured = self._measured.get(key, {})
        names = dict.fromkeys((*self._study.device_classes, *measured)) or (ANY_DEVICE,)
        return {name: {**computed, **measured.get(name, {})} for name in names}

    def _computed_of(self, configuration: Configuration, shape: str) -> Mapping[str, Measurement]:
        if not self._exact:
            return {}
        if shape not in self._computed:
            figures = self._side.exact_figures(self._study, configuration)
            self._computed[shape] = {
                metric: Measurement(figure, 0.0, 1, Provenance.EXACT) for metric, figure in figures.items()
            }
        return self._computed[shape]
