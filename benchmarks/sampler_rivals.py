"""Samplers under one interface: what was evaluated goes in, the next configuration comes out.

Each is asked as its documentation says, with a seed and no setting of its own; Optuna's GPSampler is told that the
objectives are deterministic, as they are. Nothing is carried over from one question to the next but `Evaluated`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.optim import optimize_acqf
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.mlls import SumMarginalLogLikelihood
from sampler_problems import Problem

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
    """BoTorch's qLogNEHVI on independent SingleTaskGPs: 64 samples, 4 restarts, from 256 raw points.

    The first use on a machine compiles BoTorch's kernel, which takes a minute or more.
    """
    torch.manual_seed(1000 * seed + len(known))
    parameters = problem.space.tune
    low = torch.tensor([parameter.minimum for parameter in parameters], dtype=torch.double)  # type: ignore[union-attr]
    high = torch.tensor([parameter.maximum for parameter in parameters], dtype=torch.double)  # type: ignore[union-attr]
    points = [[entry.configuration.tune[parameter.name] for parameter in parameters] for entry in known]
    inputs = (torch.tensor(points, dtype=torch.double) - low) / (high - low)
    values = -torch.tensor([entry.values for entry in known], dtype=torch.double)
    model = ModelListGP(
        *(SingleTaskGP(inputs, values[:, j, None], outcome_transform=Standardize(m=1)) for j in range(values.shape[1]))
    )
    fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
    acquisition = qLogNoisyExpectedHypervolumeImprovement(
        model=model,
        ref_point=(-np.array(problem.reference)).tolist(),
        X_baseline=inputs,
        sampler=SobolQMCNormalSampler(torch.Size([64]), seed=seed),
        prune_baseline=True,
    )
    cube = torch.stack([torch.zeros_like(low), torch.ones_like(low)])
    found, _ = optimize_acqf(acquisition, bounds=cube, q=1, num_restarts=4, raw_samples=256)
    point = (low + found[0] * (high - low)).tolist()
    return Configuration(tune={parameter.name: value for parameter, value in zip(parameters, point, strict=True)})


SAMPLERS: Mapping[str, Suggest] = {
    "bayes": bayes,
    "GPSampler": _optuna(lambda seed: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)),
    "TPE": _optuna(lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)),
    "NSGA-II": _optuna(lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION)),
    "random": _optuna(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "qLogNEHVI": botorch,
}
REAL_ONLY = frozenset({"qLogNEHVI"})
"""Samplers that are asked on boxes of real numbers alone."""


def quiet() -> None:
    """What the libraries announce is nothing for a table."""
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.simplefilter("ignore")


def one_thread() -> None:
    """For times that can be compared; set OMP_NUM_THREADS=1 for numpy beside it."""
    torch.set_num_threads(1)
