"""One adapter over Optuna: ask, with an in-memory study that is built anew from the observations.

The random state is derived from the seed and the number of configurations known, not carried along, so what is
suggested depends on the store alone. Pending configurations enter as running trials (Optuna's constant liar keeps its
distance from them), infeasible ones as violated constraints. Tries are bounded: first by the model, then uniformly at
random, then, where the space can be counted out, from what is left.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState as OptunaState

from autoglm_coordinator.sampler.api import NoConfiguration, SpaceExhausted, Suggestion
from autoglm_coordinator.sampler.dimensions import Dimension, Dimensions
from autoglm_coordinator.sampler.engines import ENGINES, Engine, Holding, Nsga2
from autoglm_coordinator.sampler.enumeration import every_configuration
from autoglm_coordinator.sampler.goals import Goals, Scored
from autoglm_core.configuration import Configuration, Values
from autoglm_core.space import SearchSpace
from autoglm_core.trial import Observation

RANDOM_TRIES = 400
CONSTRAINT = "feasible"


class OptunaSampler:
    """`engine`: a key of `ENGINES`; `trials`: the study's budget; `variants`: deploy parts wanted for each tune."""

    def __init__(self, space: SearchSpace, goals: Goals, *, engine: str, seed: int, variants: int, trials: int) -> None:
        self._space = space
        self._goals = goals
        self._engine: Engine = ENGINES[engine]
        self._seed = seed
        self._variants = variants
        self._trials = trials
        self._observations: tuple[Observation, ...] = ()
        self._pending: tuple[Configuration, ...] = ()

    def observe(self, completed: Sequence[Observation], pending: Sequence[Configuration]) -> None:
        """See `Sampler.observe`."""
        self._observations, self._pending = tuple(completed), tuple(pending)

    def suggest(self, n: int) -> list[Suggestion]:
        """See `Sampler.suggest`."""
        known = [*(entry.configuration for entry in self._observations), *self._pending]
        with _quiet():
            asking = _Asking(
                space=self._space,
                known={configuration.key for configuration in known},
                model=self._engine(_derived(self._seed, len(known)), self._space.has_conditions, self._trials),
                fallback=ENGINES["random"](_derived(self._seed, len(known), "random"), False, self._trials),
                directions=[str(direction) for direction in self._goals.directions],
            )
            asking.tell(self._goals.score(self._observations), self._pending)
            return self._suggest(asking, n, first=not known)

    def _suggest(self, asking: _Asking, n: int, *, first: bool) -> list[Suggestion]:
        suggestions: list[Suggestion] = []
        for _ in range(n):
            # The reference comes first: a weighted sum and every reader of a front compare with it.
            start = self._goals.reference if first and not suggestions else None
            configuration = asking.take(start) if start and self._space.contains(start) else asking.next()
            if configuration is None:
                break
            variants = [configuration.deploy]
            while len(variants) < self._variants:
                further = asking.next(tune=configuration.tune)
                if further is None:
                    break
                variants.append(further.deploy)
            suggestions.append(Suggestion(configuration.tune, tuple(variants)))
        if not suggestions and n > 0:
            raise asking.why_none()
        return suggestions


class _Asking:
    """One round of asks: the Optuna study, and what must not be said again."""

    def __init__(
        self,
        *,
        space: SearchSpace,
        known: set[str],
        model: Holding,
        fallback: Holding,
        directions: Sequence[str],
    ) -> None:
        self._space = space
        self._known = known
        self._model = model
        self._fallback = fallback
        self._dimensions = Dimensions(space)
        self._study = optuna.create_study(directions=directions, sampler=model)
        self._all: list[Configuration] | None = None
        self._counted = False

    def tell(self, scored: Sequence[Scored], pending: Sequence[Configuration]) -> None:
        """Put what is known into the study. Constraints only where one is broken: each costs a model of its own."""
        constrained = not all(entry.feasible for entry in scored)
        for index, entry in enumerate(scored):
            params, distributions = self._dimensions.params(_values(entry.observation.configuration))
            self._study.add_trial(
                optuna.trial.create_trial(
                    values=list(entry.scores),
                    params=params,
                    distributions=distributions,
                    system_attrs=self._generation(index),
                    constraints={CONSTRAINT: 0.0 if entry.feasible else 1.0} if constrained else None,
                )
            )
        for configuration in pending:
            self._add_running(configuration)

    def _generation(self, index: int) -> dict[str, int]:
        # Generations are blocks of observations in trial order: what a run without interruptions would have come to,
        # more or less.
        if not isinstance(self._model, Nsga2):
            return {}
        return {self._model.generation_key: index // self._model.population_size}

    def _add_running(self, configuration: Configuration) -> None:
        params, distributions = self._dimensions.params(_values(configuration))
        trial = optuna.trial.create_trial(state=OptunaState.RUNNING, params=params, distributions=distributions)
        self._study.add_trial(trial)

    def take(self, configuration: Configuration) -> Configuration:
        """Suggest exactly this one."""
        self._known.add(configuration.key)
        self._add_running(configuration)
        return configuration

    def next(self, *, tune: Values | None = None) -> Configuration | None:
        """A new and allowed configuration, with `tune` held if it is given; None where none was found."""
        held = {} if tune is None else tune
        for sampler, tries in ((self._model, self._model.tries), (self._fallback, RANDOM_TRIES)):
            sampler.held = self._dimensions.params(held)[0]
            self._study.sampler = sampler
            for _ in range(tries if self._can_differ(held) else 1):
                configuration = self._ask(held)
                if configuration is not None:
                    return configuration
        return self._left(tune)

    def _can_differ(self, held: Values) -> bool:
        return any(name not in held for name in self._dimensions.by_name)

    def _ask(self, held: Values) -> Configuration | None:
        trial = self._study.ask()
        configuration = self._dimensions.draw(lambda dimension: _draw(trial, dimension), held=held)
        if configuration.key in self._known or not self._space.contains(configuration):
            self._study.tell(trial, state=OptunaState.FAIL)
            return None
        self._known.add(configuration.key)
        return configuration

    def _left(self, tune: Values | None) -> Configuration | None:
        """One of what is left of a space that can be counted out; any, for the model had its say."""
        wanted = None if tune is None else Configuration(tune=tune).tune_key
        left = [
            entry for entry in self._every() or () if entry.key not in self._known and wanted in (None, entry.tune_key)
        ]
        if not left:
            return None
        return self.take(left[int(np.random.default_rng(len(self._known)).integers(len(left)))])

    def _every(self) -> list[Configuration] | None:
        if not self._counted:
            self._all, self._counted = every_configuration(self._space), True
        return self._all

    def why_none(self) -> SpaceExhausted | NoConfiguration:
        """The error for an empty hand."""
        every = self._every()
        return SpaceExhausted(configurations=len(every)) if every else NoConfiguration(tries=RANDOM_TRIES)


def _values(configuration: Configuration) -> Values:
    return {**configuration.tune, **configuration.deploy}


def _draw(trial: Any, dimension: Dimension) -> Any:
    distribution = dimension.distribution
    match distribution:
        case optuna.distributions.FloatDistribution():
            return trial.suggest_float(
                dimension.parameter.name, distribution.low, distribution.high, log=distribution.log
            )
        case optuna.distributions.IntDistribution():
            return trial.suggest_int(
                dimension.parameter.name, distribution.low, distribution.high, log=distribution.log
            )
        case _:
            return trial.suggest_categorical(dimension.parameter.name, distribution.choices)


def _derived(seed: int, known: int, purpose: str = "model") -> int:
    text = f"autoglm/v1/sampler/{purpose}/{seed}/{known}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


@contextmanager
def _quiet() -> Iterator[None]:
    # Optuna announces every study, `group` as experimental, and what it drew apart: nothing for a daemon's log.
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        logger.setLevel(level)
