"""Trials that cost something: figures in closed form, seconds as a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration, Value, Values
from autoglm_core.objective import Direction, Objective
from autoglm_core.parameter import FreeParameter
from autoglm_core.space import FloatParameter, SearchSpace
from autoglm_core.study import Budget
from autoglm_core.trial import Observation, TrialCost
from support.search_problems import observation

SPACE = SearchSpace(
    tune=(FloatParameter("x0", 0.0, 1.0), FloatParameter("x1", 0.0, 1.0)),
    deploy=(FloatParameter("d0", 0.0, 1.0), FloatParameter("d1", 0.0, 1.0)),
)
Seconds = Callable[[Values], float]
Joules = Callable[[Values], float]


def number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def figures(configuration: Configuration) -> dict[str, float]:
    """A front between accuracy, which hangs on `tune`, and size, which hangs on `deploy`."""
    x0, x1 = number(configuration.tune["x0"]), number(configuration.tune["x1"])
    d0, d1 = number(configuration.deploy["d0"]), number(configuration.deploy["d1"])
    loss = (x0 - 0.5) ** 2 + (x1 - 0.3) ** 2 + 0.3 * d0**2 + 0.1 * (d1 - 0.4) ** 2
    return {"f0": loss, "f1": 1.2 - d0 + 0.2 * d1}


def known(
    tunes: int,
    *,
    each: int = 2,
    tune_seconds: Seconds = lambda tune: 10.0,
    variant_seconds: Seconds = lambda deploy: 0.2,
    tune_bytes: int = 0,
    tune_joules: Joules = lambda tune: 0.0,
    seed: int = 1,
) -> list[Observation]:
    """Completed trials: so many TUNEs with so many variants `each`."""
    rng = np.random.default_rng(seed)

    def choose(parameter: FreeParameter) -> Value:
        return round(float(rng.random()), 4)

    observations = []
    for _ in range(tunes):
        tune = SPACE.build(choose).tune
        for _ in range(each):
            configuration = Configuration(tune, SPACE.build(choose).deploy)
            cost = TrialCost(tune_seconds(tune), variant_seconds(configuration.deploy), tune_bytes, tune_joules(tune))
            observations.append(replace(observation(configuration, figures(configuration)), cost=cost))
    return observations


def suggest(
    observations: Sequence[Observation],
    *,
    variants: int | None = None,
    n: int = 1,
    pending: Sequence[Configuration] = (),
    budget: Budget | None = None,
) -> list[Suggestion]:
    objectives = tuple(Objective(metric, Direction.MINIMIZE) for metric in ("f0", "f1"))
    sampler = BayesSampler(SPACE, Goals(objectives, None, SPACE.reference()), seed=5, variants=variants, budget=budget)
    sampler.observe(observations, pending)
    return sampler.suggest(n)
