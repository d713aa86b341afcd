"""Optuna's samplers, each able to hold some parameters still.

A TUNE is dear and its variants are cheap, so further variants are sought with `tune` held. Optuna's own
PartialFixedSampler takes the held dimensions out of the model; what is best for a width of 16 would then be sought
without knowing the width. Here they stay in: TPE scores candidates by the joint density, the Gaussian process
maximises its acquisition function on the slice.

Everything that leans on Optuna's inner names (5.0: `_sample`, `_compute_acquisition_func`, `_optimize_acqf`) stands in
this file.
"""

# mypy: disable-error-code="misc"
# Optuna ships no types that mypy follows here, so its classes are Any and cannot be checked as bases.

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

STARTUP = 10
"""Trials before a model is trusted; drawn at random until then."""
SLICE_SAMPLES = 2048
"""Points of the slice on which the acquisition function is compared; Optuna's own number of preliminary samples."""


class Holding(BaseSampler):
    """`held`: Optuna's values, by name, of the dimensions that stand still.

    `tries`: how often it is asked for a configuration that is new and allowed, before chance is.
    """

    tries: int = 6
    held: Mapping[str, Any] = MappingProxyType({})

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Draw as the sampler does, then put the held values back."""
        drawn = super().sample_relative(study, trial, search_space)
        return {name: self.held.get(name, value) for name, value in drawn.items()}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """The held value, or a draw."""
        if param_name in self.held:
            return self.held[param_name]
        return super().sample_independent(study, trial, param_name, param_distribution)


class Random(Holding, RandomSampler):
    """Uniform draws."""


class Nsga2(Holding, NSGAIISampler):
    """Crossover and mutation of the front."""

    @property
    def generation_key(self) -> str:
        """Attribute under which a trial's generation is kept."""
        return str(self._get_generation_key())


class Tpe(Holding, TPESampler):
    """Parzen estimators over all dimensions jointly."""

    _internal: Mapping[str, float] = MappingProxyType({})

    def _sample(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        held = {name: self.held[name] for name in search_space if name in self.held}
        self._internal = {name: search_space[name].to_internal_repr(value) for name, value in held.items()}
        return {**super()._sample(study, trial, search_space), **held}

    def _compute_acquisition_func(self, samples: dict[str, Any], below: Any, above: Any) -> Any:
        for name, value in self._internal.items():
            samples[name][:] = value
        return super()._compute_acquisition_func(samples, below, above)


class Gp(Holding, GPSampler):
    """Gaussian processes with expected (hypervolume) improvement. Dear to ask, and it says the same again."""

    tries = 2

    def _optimize_acqf(self, acqf: Any, best_params: Any) -> Any:
        if not self.held:
            return super()._optimize_acqf(acqf, best_params)
        space = acqf.search_space
        points = space.sample_normalized_params(SLICE_SAMPLES, rng=self._rng.rng)
        names = list(space.get_unnormalized_param(points[0]))
        complete = {**space.get_unnormalized_param(points[0]), **self.held}
        row = space.get_normalized_params([None], [complete])[0]
        columns = [index for index, name in enumerate(names) if name in self.held]
        points[:, columns] = row[columns]
        return points[int(np.argmax(acqf.eval_acqf_no_grad(points)))]


def _population(trials: int) -> int:
    """About eight generations in the budget; Optuna's 50 would be one random generation in most studies."""
    return max(8, min(50, trials // 8))


Engine = Callable[[int, bool, int], Holding]
"""(seed, whether the space has conditions, trials in the budget) -> sampler."""

ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "tpe": lambda seed, conditions, trials: Tpe(
            seed=seed, multivariate=True, group=conditions, n_startup_trials=STARTUP
        ),
        "gp": lambda seed, conditions, trials: Gp(seed=seed, n_startup_trials=STARTUP),
        "nsga2": lambda seed, conditions, trials: Nsga2(seed=seed, population_size=_population(trials)),
        "random": lambda seed, conditions, trials: Random(seed=seed),
    }
)
