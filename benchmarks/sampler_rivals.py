"""Samplers under one interface: what was evaluated goes in, the next configuration comes out.

Each is asked as its documentation says, with a seed and no setting of its own; Optuna's GPSampler is told that the
objectives are deterministic, as they are. Nothing is carried over from one question to the next but `Evaluated`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna
import torch
from sampler_botorch import next_point
from sampler_problem import Problem

from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.dimensions import Dimensions
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import Direction, Objective
from autoglm_core.trial import Observation, TrialState


@dataclass(frozen=True)
class Evaluated:
    """A configuration and its figures, all minimised."""

    configuration: Configuration
    values: tuple[float, ...]


Suggest = Callable[[Problem, Sequence[Evaluated], int], Configuration]
"""(problem, all evaluations so far, seed) -> the next configuration."""


def bayes(problem: Problem, known: Sequence[Evaluated], seed: int) -> Configuration:
    """Ours."""
    names = [f"f{index}" for index in range(len(problem.reference))]
    objectives = tuple(Objective(name, Direction.MINIMIZE) for name in names)
    sampler = BayesSampler(problem.space, Goals(objectives, None, problem.space.reference()), seed=seed, variants=1)
    observations = [
        Observation(
            entry.configuration,
            {
                name: Measurement(value, 0.0, 1, Provenance.MEASURED)
                for name, value in zip(names, entry.values, strict=True)
            },
            fidelity=1,
            state=TrialState.COMPLETED,
        )
        for entry in known
    ]
    sampler.observe(observations, [])
    return sampler.suggest(1)[0].configurations[0]


def _optuna(make: Callable[[int], optuna.samplers.BaseSampler]) -> Suggest:
    def suggest(problem: Problem, known: Sequence[Evaluated], seed: int) -> Configuration:
        # A fresh state at every question would draw the same again: the count goes into the seed.
        study = optuna.create_study(
            directions=["minimize"] * len(problem.reference), sampler=make(1000 * seed + len(known))
        )
        dimensions = Dimensions(problem.space)
        for number, entry in enumerate(known):
            params, distributions = dimensions.params({**entry.configuration.tune, **entry.configuration.deploy})
            study.add_trial(
                optuna.trial.create_trial(
                    values=list(entry.values),
                    params=params,
                    distributions=distributions,
                    system_attrs={"NSGAIISampler:generation": number // POPULATION},
                )
            )
        trial = study.ask()
        return dimensions.draw(
            lambda dimension: trial._suggest(dimension.parameter.name, dimension.distribution), held={}
        )

    return suggest


POPULATION = 10
"""Of NSGA-II: as many as there are start points."""


def botorch(problem: Problem, known: Sequence[Evaluated], seed: int) -> Configuration:
    """BoTorch's qLogNEHVI."""
    return next_point(problem, [(entry.configuration, entry.values) for entry in known], seed=seed)


SAMPLERS: Mapping[str, Suggest] = {
    "bayes": bayes,
    "GPSampler": _optuna(lambda seed: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)),
    "TPE": _optuna(lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)),
    "NSGA-II": _optuna(lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION)),
    "random": _optuna(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "qLogNEHVI": botorch,
}


def quiet() -> None:
    """What the libraries announce is nothing for a table."""
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.simplefilter("ignore")


def one_thread() -> None:
    """For times that can be compared; set OMP_NUM_THREADS=1 for numpy beside it."""
    torch.set_num_threads(1)
