"""One adapter over Optuna: ask, with an in-memory study that is built anew from the observations.

The random state is derived from the seed and the number of configurations known, not carried along, so what is
suggested depends on the store alone. Pending configurations enter as running trials (Optuna's constant liar keeps its
distance from them), infeasible ones as violated constraints. Tries are bounded: first by the model, then uniformly at
random, then, where the space can be counted out, from what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState as OptunaState

from autoglm_coordinator.sampler.api import NoConfiguration, SpaceExhausted, Suggestion
from autoglm_coordinator.sampler.dimensions import Dimension, Dimensions
from autoglm_coordinator.sampler.engines import ENGINES, Engine, Evolution, Holding, Random, Situation
from autoglm_coordinator.sampler.enumeration import every_configuration
from autoglm_coordinator.sampler.goals import Goals, Scored
from autoglm_coordinator.sampler.quiet import quiet
from autoglm_core.configuration import Configuration, Values
from autoglm_core.reason import How, Reason
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
        every = [*(entry.configuration for entry in self._observations), *self._pending]
        known = list({configuration.key: configuration for configuration in every}.values())
        dimensions = Dimensions(self._space)
        situation = Situation(
            seed=self._seed,
            draw=_derived(self._seed, len(known)),
            distributions={name: entry.distribution for name, entry in dimensions.by_name.items()},
            conditions=self._space.has_conditions,
            tunes=len({configuration.tune_key for configuration in known}),
            known=len(known),
            trials=self._trials,
        )
        chance = replace(situation, draw=_derived(self._seed, len(known), "random"))
        with quiet():
            asking = _Asking(
                space=self._space,
                dimensions=dimensions,
                known={configuration.key for configuration in known},
                model=self._engine(situation),
                fallback=ENGINES["random"](chance),
                directions=[str(direction) for direction in self._goals.directions],
            )
            asking.tell(self._goals.score(self._observations), self._pending)
            return self._suggest(asking, n, first=not known)

    def _suggest(self, asking: _Asking, n: int, *, first: bool) -> list[Suggestion]:
        suggestions: list[Suggestion] = []
        for _ in range(n):
            # The reference comes first: a weighted sum and every reader of a front compare with it.
            start = self._goals.reference if first and not suggestions else None
            found = asking.take(start, How.REFERENCE) if start and self._space.contains(start) else asking.next()
            if found is None:
                break
            group = [found]
            while len(group) < self._variants:
                further = asking.next(tune=found.configuration.tune)
                if further is None:
                    break
                group.append(further)
            suggestions.append(_suggestion(group))
        if not suggestions and n > 0:
            raise asking.why_none()
        return suggestions


@dataclass(frozen=True)
class _Found:
    """A configuration, and how it came about."""

    configuration: Configuration
    how: How


def _suggestion(group: Sequence[_Found]) -> Suggestion:
    """Of configurations with one `tune`."""
    return Suggestion(
        group[0].configuration.tune,
        tuple(found.configuration.deploy for found in group),
        tuple(Reason(found.how) for found in group),
    )


class _Asking:
    """One round of asks: the Optuna study, and what must not be said again."""

    def __init__(
        self,
        *,
        space: SearchSpace,
        dimensions: Dimensions,
        known: set[str],
        model: Holding,
        fallback: Holding,
        directions: Sequence[str],
    ) -> None:
        self._space = space
        self._known = known
        self._model = model
        self._fallback = fallback
        self._dimensions = dimensions
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
        if not isinstance(self._model, Evolution):
            return {}
        return {self._model.generation_key: index // self._model.population_size}

    def _add_running(self, configuration: Configuration) -> None:
        params, distributions = self._dimensions.params(_values(configuration))
        trial = optuna.trial.create_trial(state=OptunaState.RUNNING, params=params, distributions=distributions)
        self._study.add_trial(trial)

    def take(self, configuration: Configuration, how: How) -> _Found:
        """Suggest exactly this one."""
        self._known.add(configuration.key)
        self._add_running(configuration)
        return _Found(configuration, how)

    def next(self, *, tune: Values | None = None) -> _Found | None:
        """A new and allowed configuration, with `tune` held if it is given; None where none was found."""
        held = {} if tune is None else tune
        if tune is not None and not self._can_differ(held):
            return None  # a tune is suggested with its only variant
        for sampler, tries in ((self._model, self._model.tries), (self._fallback, RANDOM_TRIES)):
            sampler.held = self._dimensions.params(held)[0]
            self._study.sampler = sampler
            for _ in range(tries if self._can_differ(held) else 1):
                configuration = self._ask(held)
                if configuration is not None:
                    return _Found(configuration, How.CHANCE if isinstance(sampler, Random) else How.OPTUNA)
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

    def _left(self, tune: Values | None) -> _Found | None:
        """One of what is left of a space that can be counted out; any, for the model had its say."""
        wanted = None if tune is None else Configuration(tune=tune).tune_key
        left = [
            entry for entry in self._every() or () if entry.key not in self._known and wanted in (None, entry.tune_key)
        ]
        if not left:
            return None
        return self.take(left[int(np.random.default_rng(len(self._known)).integers(len(left)))], How.CHANCE)

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
