"""What a search has learned: the columns, and for each device class which rows count and which constraints held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.columns import Column, columns_of
from autoglm_coordinator.sampler.bayes.outcomes import Goal, Limit, Outcomes, Term
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.bound import Bound
from autoglm_core.objective import ANY_DEVICE, COST_METRICS, Direction, Objective, is_fraction, usual_direction
from autoglm_core.trial import AT_A_RUNG, Observation, TrialState

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassTargets:
    """One device class: its `outcomes`; `complete` `(n,)`: rows that count for its front.

    `held` `(n,)`: +1 where all constraints held, -1 where one did not and no bound on a metric says why, NaN where
    neither is known.
    """

    outcomes: Outcomes
    complete: NDArray[np.bool_]
    held: Array


@dataclass(frozen=True)
class Targets:
    """One row per observation that teaches something.

    `rows` `(n,)`: which observations; `fidelity` `(n,)`: share of the full rounds behind the figures of training.
    """

    rows: NDArray[np.intp]
    columns: tuple[Column, ...]
    classes: tuple[ClassTargets, ...]
    fidelity: Array

    @property
    def values(self) -> Array:
        """`(n, c)`, as they stand in the columns."""
        return np.stack([column.values for column in self.columns], axis=1)


def targets_of(goals: Goals, observations: Sequence[Observation]) -> Targets:
    """The targets of a search. Failed trials teach nothing, nor do those that were stopped before any figure."""
    rows = np.array([row for row, entry in enumerate(observations) if _teaches(entry)], np.intp)
    taught = [observations[row] for row in rows]
    bounded = {bound.name: Objective(bound.name, usual_direction(bound.name)) for bound in goals.bounds}
    modelled = {**bounded, **{objective.metric: objective for objective in goals.objectives}}
    columns = [column for entry in modelled.values() for column in columns_of(entry, goals.classes, taught)]
    classes = [_class_targets(name, goals, columns, taught) for name in goals.classes or (ANY_DEVICE,)]
    return Targets(rows, tuple(columns), tuple(classes), _fidelity(taught))


def _teaches(entry: Observation) -> bool:
    if entry.state is TrialState.INFEASIBLE:
        return True
    known = bool(entry.values) or any(entry.classes.values())
    return entry.state in (TrialState.COMPLETED, *AT_A_RUNG) and known


def _fidelity(observations: Sequence[Observation]) -> Array:
    """1 for what was trained to the end, whatever number of rounds that was."""
    longest = max((entry.fidelity for entry in observations), default=0) or 1
    at_a_rung = [entry.state in AT_A_RUNG for entry in observations]
    return np.array(
        [entry.fidelity / longest if early else 1.0 for entry, early in zip(observations, at_a_rung, strict=True)]
    )


def _class_targets(
    name: str, goals: Goals, columns: Sequence[Column], observations: Sequence[Observation]
) -> ClassTargets:
    place = {column.metric: number for number, column in enumerate(columns) if column.device_class in (None, name)}
    limits = [Limit(place[bound.name], _scaled(bound, columns[place[bound.name]])) for bound in goals.bounds]
    outcomes = Outcomes(name, _goals(goals, columns, place, observations), tuple(limits))
    values = np.stack([column.values for column in columns], axis=1)
    completed = np.array([entry.state is TrialState.COMPLETED for entry in observations], bool)
    broken = _broken(limits, values)
    refused = np.array([_refuses(name, entry) for entry in observations], bool) | (broken & completed)
    known = np.isfinite(outcomes.values(values)).all(axis=1)
    return ClassTargets(
        outcomes=outcomes,
        complete=known & completed & ~refused,
        held=np.where(~refused, 1.0, np.where(broken, np.nan, -1.0)),
    )


def _goals(
    goals: Goals, columns: Sequence[Column], place: Mapping[str, int], observations: Sequence[Observation]
) -> tuple[Goal, ...]:
    if goals.weighted is None:
        return tuple(
            Goal((Term(place[objective.metric], objective.direction.sign),), most=_most(objective))
            for objective in goals.objectives
        )
    terms = []
    for objective in goals.objectives:
        number = place[objective.metric]
        factor = objective.direction.sign * goals.weighted.weights[objective.metric]
        unit = _reference_figure(goals, columns[number], observations) if objective.metric in COST_METRICS else 1.0
        terms.append(Term(number, factor / unit, plain=columns[number].logarithmic))
    return (Goal(tuple(terms)),)


def _most(objective: Objective) -> float:
    """What the objective cannot exceed, larger is better."""
    if not is_fraction(objective.metric):
        return math.inf
    return 1.0 if objective.direction is Direction.MAXIMIZE else 0.0


def _reference_figure(goals: Goals, column: Column, observations: Sequence[Observation]) -> float:
    """What one unit of a cost is in a weighted sum: the reference's figure, else the median; 1 where none is known."""
    known = np.isfinite(column.values)
    own = known & np.array([entry.configuration == goals.reference for entry in observations], bool)
    figures = column.values[own if own.any() else known]
    if not len(figures):
        return 1.0
    middle = float(np.median(figures))
    return math.exp(middle) if column.logarithmic else middle or 1.0


def _scaled(bound: Bound, column: Column) -> Bound:
    return Bound(bound.name, column.scaled(bound.limit), upper=bound.upper, strict=bound.strict)


def _refuses(name: str, entry: Observation) -> bool:
    return entry.state is TrialState.INFEASIBLE or name in entry.refused_by


def _broken(limits: Sequence[Limit], values: Array) -> NDArray[np.bool_]:
    """Rows `(n,)` whose figures in the columns `values` `(n, c)` break a bound."""
    broken = np.zeros(len(values), bool)
    for limit in limits:
        figures = values[:, limit.column]
        broken |= np.isfinite(figures) & ~np.array([limit.bound.holds(float(figure)) for figure in figures], bool)
    return broken
