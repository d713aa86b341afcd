"""What the surrogate is fitted to: one column per goal, larger better, and which configurations are infeasible.

Costs enter by their logarithm (see `sampler.goals`). Noise is as known as it is: what was measured repeatedly carries
its own variance; what was counted on the one fixed validation set is off by the same amount for all trials, so its
binomial error is no noise between them, and what training adds is learned; what is exact has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.measurement import Provenance
from autoglm_core.objective import COST_METRICS, Objective
from autoglm_core.trial import Observation, TrialState

Array = NDArray[np.float64]
REPEATED = frozenset({Provenance.MEASURED, Provenance.MODELLED})
"""Figures whose standard error comes from repetitions, and differs from trial to trial independently."""


@dataclass(frozen=True)
class Target:
    """One goal: `values` and known noise `variances` `(n,)`; NaN where there is no figure.

    `exact`: without any noise. `trained`: depends on how many rounds were trained.
    """

    values: Array
    variances: Array
    exact: bool
    trained: bool


@dataclass(frozen=True)
class Targets:
    """One row per observation that teaches something.

    `rows` `(n,)`: which observations; `goals`: a column each; `complete` `(n,)`: trained to the end, with every figure;
    `infeasible` `(n,)`; `fidelity` `(n,)`: share of the full rounds behind the figures of training.
    """

    rows: NDArray[np.intp]
    goals: tuple[Target, ...]
    complete: NDArray[np.bool_]
    infeasible: NDArray[np.bool_]
    fidelity: Array

    @property
    def values(self) -> Array:
        """`(n, m)`, larger better."""
        return np.stack([target.values for target in self.goals], axis=1)


def targets_of(goals: Goals, observations: Sequence[Observation]) -> Targets:
    """The targets of a search. Failed trials teach nothing, nor do those that were stopped before any figure."""
    rows = np.array([row for row, entry in enumerate(observations) if _teaches(entry)], np.intp)
    taught = [observations[row] for row in rows]
    if goals.weighted is not None:
        columns: tuple[Target, ...] = (_one_sum(goals, taught),)
    else:
        columns = tuple(_column(objective, taught) for objective in goals.objectives)
    known = np.all([np.isfinite(target.values) for target in columns], axis=0)
    completed = np.array([entry.state is TrialState.COMPLETED for entry in taught], bool)
    return Targets(
        rows=rows,
        goals=columns,
        complete=known & completed,
        infeasible=np.array([entry.state is TrialState.INFEASIBLE for entry in taught], bool),
        fidelity=_fidelity(taught),
    )


def _teaches(entry: Observation) -> bool:
    if entry.state is TrialState.INFEASIBLE:
        return True
    return entry.state in (TrialState.COMPLETED, TrialState.STOPPED) and bool(entry.values)


def _fidelity(observations: Sequence[Observation]) -> Array:
    """1 for what was trained to the end, whatever number of rounds that was."""
    longest = max((entry.fidelity for entry in observations), default=0) or 1
    stopped = [entry.state is TrialState.STOPPED for entry in observations]
    return np.array(
        [entry.fidelity / longest if early else 1.0 for entry, early in zip(observations, stopped, strict=True)]
    )


def _column(objective: Objective, observations: Sequence[Observation]) -> Target:
    figures = [entry.values.get(objective.metric) for entry in observations]
    values = np.array([np.nan if figure is None else figure.mean for figure in figures], float)
    errors = np.array(
        [0.0 if figure is None or figure.provenance not in REPEATED else figure.standard_error for figure in figures]
    )
    values[~np.isfinite(values)] = np.nan
    variances = np.where(np.isfinite(errors), errors, 0.0) ** 2
    known = np.isfinite(values)
    if objective.metric in COST_METRICS and (values[known] > 0).all():
        variances, values = variances / values**2, np.log(values)
    return Target(
        values=values * objective.direction.sign,
        variances=np.where(known, variances, np.nan),
        exact=all(figure is None or figure.provenance is Provenance.EXACT for figure in figures),
        trained=objective.metric not in COST_METRICS,
    )


def _one_sum(goals: Goals, observations: Sequence[Observation]) -> Target:
    """The weighted sum, where all its parts are known."""
    metrics = [objective.metric for objective in goals.objectives]
    whole = [
        row
        for row, entry in enumerate(observations)
        if all(metric in entry.values and np.isfinite(entry.values[metric].mean) for metric in metrics)
    ]
    values = np.full(len(observations), np.nan)
    # Trials that `score` leaves out, stopped before their first round, have no figure of training and are not whole.
    scored = {id(row.observation): row.scores[0] for row in goals.score([observations[row] for row in whole])}
    for row in whole:
        values[row] = scored.get(id(observations[row]), np.nan)
    return Target(values, np.where(np.isfinite(values), 0.0, np.nan), exact=False, trained=True)
