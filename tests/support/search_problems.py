"""Searches of figures in closed form by the Bayesian sampler alone: no study, no trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration, Values
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import Direction, Objective
from autoglm_core.space import FloatParameter, SearchSpace
from autoglm_core.trial import Observation, TrialState

Figures = Callable[[Values], Mapping[str, float]]
"""A configuration's values -> figures by metric, all minimised."""


def box(dimensions: int) -> SearchSpace:
    """Real numbers between 0 and 1."""
    return SearchSpace(tune=tuple(FloatParameter(f"x{index}", 0.0, 1.0) for index in range(dimensions)))


def observation(
    configuration: Configuration,
    figures: Mapping[str, float],
    *,
    state: TrialState = TrialState.COMPLETED,
    fidelity: int = 9,
) -> Observation:
    """Measured without an error."""
    values = {metric: Measurement(value, 0.0, 1, Provenance.MEASURED) for metric, value in figures.items()}
    return Observation(configuration, values, fidelity, state)


def sampler(space: SearchSpace, metrics: Sequence[str], *, seed: int = 5, variants: int = 1) -> BayesSampler:
    """Minimises `metrics`."""
    objectives = tuple(Objective(metric, Direction.MINIMIZE) for metric in metrics)
    return BayesSampler(space, Goals(objectives, None, space.reference()), seed=seed, variants=variants)


def searched(
    space: SearchSpace, metrics: Sequence[str], figures: Figures, *, total: int, seed: int = 5
) -> list[Observation]:
    """One observation at a time, as from a store that is read anew each time."""
    known: list[Observation] = []
    while len(known) < total:
        asked = sampler(space, metrics, seed=seed)
        asked.observe(known, [])
        configuration = asked.suggest(1)[0].configurations[0]
        known.append(observation(configuration, figures(configuration.tune)))
    return known
