"""What is optimised, as one row of numbers per observation.

Several objectives: costs are scored by their logarithm, because 10 % of latency is worth the same at 0.2 ms and at 20
ms, and because both hypervolume and Gaussian processes see differences, not ratios. One weighted sum: every cost is
divided by the reference configuration's, so that its weight has no unit; before the reference is measured, by the
median of what is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from autoglm_core.bound import Bound, bounds_of
from autoglm_core.objective import COST_METRICS, Direction, Objective, Weighted
from autoglm_core.trial import Observation, TrialState

if TYPE_CHECKING:
    from autoglm_core.configuration import Configuration
    from autoglm_core.study import Study


@dataclass(frozen=True)
class Scored:
    """An observation as rows for a model: `scores`, one per goal; `feasible` by constraints."""

    observation: Observation
    scores: tuple[float, ...]
    feasible: bool


@dataclass(frozen=True)
class Goals:
    """`objectives` of the study; `weighted`: their one sum, or None.

    `classes`: device classes, each with a front of its own; none where figures are not told apart by class. `bounds`:
    what the study's constraints ask of single metrics.
    """

    objectives: tuple[Objective, ...]
    weighted: Weighted | None
    reference: Configuration
    classes: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()

    @property
    def directions(self) -> tuple[Direction, ...]:
        """One per score."""
        return (Direction.MAXIMIZE,) if self.weighted else tuple(objective.direction for objective in self.objectives)

    def score(self, observations: Sequence[Observation]) -> list[Scored]:
        """Rows for the observations that teach something.

        Failed trials do not, nor do those that were stopped before their first round.
        A figure that an infeasible or stopped trial lacks is filled with the middle of the known ones where it is
        infeasible (the constraint already speaks against it) and with the worst where it was stopped.
        """
        taught = [entry for entry in observations if _teaches(entry)]
        columns = [self._column(metric.metric, metric.direction, taught) for metric in self.objectives]
        rows: list[tuple[float, ...]] = list(zip(*columns, strict=True))
        if self.weighted is not None:
            rows = self._sums(self.weighted, rows, taught)
        return [
            Scored(entry, row, entry.state is not TrialState.INFEASIBLE)
            for entry, row in zip(taught, rows, strict=True)
        ]

    def _column(self, metric: str, direction: Direction, observations: Sequence[Observation]) -> list[float]:
        natural = self.weighted is not None or metric not in COST_METRICS
        known = {index: entry.values[metric].mean for index, entry in enumerate(observations) if metric in entry.values}
        if not natural and all(value > 0 for value in known.values()):
            known = {index: math.log(value) for index, value in known.items()}
        middle = median(known.values()) if known else 0.0
        worst = _worst(list(known.values()), direction)
        filled = [middle if entry.state is TrialState.INFEASIBLE else worst for entry in observations]
        return [known.get(index, filled[index]) for index in range(len(observations))]

    def _units(self, observations: Sequence[Observation]) -> dict[str, float]:
        """What one unit of each cost is: the reference's figure, else the median; 1 where nothing is known."""
        units = {}
        for objective in self.objectives:
            metric = objective.metric
            known = [entry for entry in observations if metric in entry.values and entry.values[metric].mean > 0]
            own = [entry for entry in known if entry.configuration == self.reference]
            figures = [entry.values[metric].mean for entry in own or known]
            units[metric] = median(figures) if metric in COST_METRICS and figures else 1.0
        return units

    def _sums(
        self, weighted: Weighted, rows: Sequence[Sequence[float]], observations: Sequence[Observation]
    ) -> list[tuple[float, ...]]:
        units = self._units(observations)
        names = [objective.metric for objective in self.objectives]
        return [(weighted.score(self.objectives, dict(zip(names, row, strict=True)), reference=units),) for row in rows]


def _teaches(entry: Observation) -> bool:
    match entry.state:
        case TrialState.COMPLETED | TrialState.INFEASIBLE:
            return True
        case TrialState.STOPPED:
            return entry.fidelity > 0
        case _:
            return False


def _worst(values: Sequence[float], direction: Direction) -> float:
    if not values:
        return 0.0
    return min(values) if direction is Direction.MAXIMIZE else max(values)


def goals_of(study: Study) -> Goals:
    """The study's goals."""
    stated = [bounds_of(constraint) for constraint in study.constraints]
    return Goals(
        study.objectives,
        study.weighted,
        study.reference_configuration,
        classes=study.device_classes,
        bounds=tuple(bound for bounds in stated for bound in bounds if _on_metrics(study, bounds)),
    )


def _on_metrics(study: Study, bounds: Sequence[Bound]) -> bool:
    """Whether they speak of metrics alone; what a parameter may be is no question of probability."""
    return all(bound.name not in study.space.names for bound in bounds)
