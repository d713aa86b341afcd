"""Optuna's samplers, each able to hold some parameters still.

A TUNE is dear and its variants are cheap, so further variants are sought with `tune` held. Optuna's own
PartialFixedSampler takes the held dimensions out of the model; what is best for a width of 16 would then be sought
without knowing the width. Here they stay in: TPE scores candidates by the joint density, the Gaussian process
maximises its acquisition function on the slice.

A sampler is built anew for every round of asks, so what one would carry along in its study is put together again from
the observations: generations are blocks of them in trial order, CMA-ES is told one after the other, and QMC goes on
where the number of tunes says.

Everything that leans on Optuna's inner names (5.0: `_sample`, `_compute_acquisition_func`, `_optimize_acqf`,
`_init_optimizer`, `_restore_optimizer`, `_find_sample_id`) stands in this file.
"""

# mypy: disable-error-code="misc"
# Optuna ships no types that mypy follows here, so its classes are Any and cannot be checked as bases.

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import TrialState as OptunaState

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


class Evolution(Holding):
    """A sampler that works in generations."""

    @property
    def generation_key(self) -> str:
        """Attribute under which a trial's generation is kept."""
        return str(self._get_generation_key())


class Nsga2(Evolution, NSGAIISampler):
    """Crossover and mutation of the front; of too large a front it keeps what lies least crowded."""


class Nsga3(Evolution, NSGAIIISampler):
    """The same with directions spread over the front instead of crowding: for more than three objectives."""


class Cma(Holding, CmaEsSampler):
    """CMA-ES: one normal distribution that moves and turns towards what is good. One score, numbers only."""

    _told: tuple[Any, ...] = ()

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """A draw of the distribution that the completed trials lead to."""
        self._told = tuple(study.get_trials(deepcopy=False, states=(OptunaState.COMPLETE,)))
        return super().sample_relative(study, trial, search_space)

    def _restore_optimizer(self, completed_trials: Any) -> None:
        # Optuna keeps it, pickled, with the trial that told it last; ours are made anew from the store.
        return None

    def _init_optimizer(self, trans: Any, direction: Any) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        sign = 1.0 if direction.name == "MINIMIZE" else -1.0
        losses = [sign * trial.value for trial in self._told]
        points = [trans.transform(trial.params) for trial in self._told]
        # It knows no constraints: what breaks one is told as the worst there is.
        judged = [
            max(losses) if any(excess > 0 for excess in trial.constraints.values()) else loss
            for trial, loss in zip(self._told, losses, strict=True)
        ]
        size = optimizer.population_size
        for start in range(0, len(points) - size + 1, size):
            optimizer.tell(list(zip(points[start : start + size], judged[start : start + size], strict=True)))
        return optimizer


class Qmc(Holding, QMCSampler):
    """Points of a scrambled Sobol sequence, the `turn`th next; those with `held` values are of a sequence of their own.

    With one sequence for both, tunes of four variants would get every fourth point, and every fourth point of Sobol's
    lies in one half of the space. Parameters under a condition have their coordinate, used or not.
    """

    def __init__(self, *, seed: int, distributions: Mapping[str, BaseDistribution], turn: int, variant: int) -> None:
        super().__init__(seed=seed, scramble=True, warn_independent_sampling=False)
        self._distributions = {name: entry for name, entry in distributions.items() if not entry.single()}
        self._turn, self._variant = turn, variant

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """All that is not held."""
        return {name: entry for name, entry in self._distributions.items() if name not in self.held}

    def _find_sample_id(self, study: Any, search_space: Any) -> int:
        if self.held:
            self._variant += 1
            return self._variant - 1
        self._turn += 1
        return self._turn - 1


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


@dataclass(frozen=True)
class Situation:
    """What a sampler is built from.

    `seed`: the study's; `draw`: one of this round of asks; `distributions`: of all dimensions; `conditions`: whether
    the space has some; `tunes`, `known`: how many tunes and configurations are known; `trials`: the study's budget.
    """

    seed: int
    draw: int
    distributions: Mapping[str, BaseDistribution]
    conditions: bool
    tunes: int
    known: int
    trials: int


Engine = Callable[[Situation], Holding]

ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "tpe": lambda now: Tpe(seed=now.draw, multivariate=True, group=now.conditions, n_startup_trials=STARTUP),
        "gp": lambda now: Gp(seed=now.draw, n_startup_trials=STARTUP),
        "nsga2": lambda now: Nsga2(seed=now.draw, population_size=_population(now.trials)),
        "nsga3": lambda now: Nsga3(seed=now.draw, population_size=_population(now.trials)),
        "cmaes": lambda now: Cma(seed=now.draw, warn_independent_sampling=False),
        "qmc": lambda now: Qmc(
            seed=now.seed, distributions=now.distributions, turn=now.tunes, variant=now.known - now.tunes
        ),
        "random": lambda now: Random(seed=now.draw),
    }
)
