"""Between a search space and Optuna's distributions.

Optuna knows flat names; both parts of a configuration share them under `tune.` and `deploy.`. Choices travel as their index: numbers
(16, 32, 64) as an integer, so that a model knows 32 to lie between its neighbours, all others as categories, because Optuna, unlike a
study, takes 1, 1.0 and true for one choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter, IntParameter, Scale, TiedParameter, same_value
from autoglm_core.space import SearchSpace

from autoglm_coordinator.sampler.walk import steps_of, walk

DIGITS = 6
"""Significant digits of a suggested float: more than a TUNE can tell apart, few enough to read and to compare."""


@dataclass(frozen=True)
class Dimension:
    """One parameter that Optuna draws: `name` with its part in front, the distribution and the way to and from it."""

    name: str
    parameter: FreeParameter
    distribution: BaseDistribution

    def from_optuna(self, drawn: Any) -> Value:
        """A drawn value as the configuration's."""
        match self.parameter:
            case FloatParameter(minimum=minimum, maximum=maximum):
                return min(max(float(f"{drawn:.{DIGITS}g}"), minimum), maximum)
            case IntParameter():
                return int(drawn)
            case CategoricalParameter(choices=choices):
                return choices[int(drawn)]

    def to_optuna(self, value: Value) -> Any:
        """Inverse of `from_optuna`."""
        if not isinstance(self.parameter, CategoricalParameter):
            return value
        return next(index for index, choice in enumerate(self.parameter.choices) if same_value(choice, value))


def _distribution(parameter: FreeParameter) -> BaseDistribution:
    match parameter:
        case FloatParameter(minimum=minimum, maximum=maximum, scale=scale):
            return FloatDistribution(minimum, maximum, log=scale is Scale.LOG)
        case IntParameter(minimum=minimum, maximum=maximum, scale=scale):
            return IntDistribution(minimum, maximum, log=scale is Scale.LOG)
        case CategoricalParameter(choices=choices, ordered=True):
            return IntDistribution(0, len(choices) - 1)
        case CategoricalParameter(choices=choices):
            return CategoricalDistribution(tuple(range(len(choices))))


class Dimensions:
    """All dimensions of a space, parents of conditions first."""

    def __init__(self, space: SearchSpace) -> None:
        self._steps = steps_of(space)
        self.by_name = {
            step.name: Dimension(step.name, step.parameter, _distribution(step.parameter))
            for step in self._steps
            if not isinstance(step.parameter, TiedParameter)
        }

    def draw(self, suggest: Callable[[Dimension], Any]) -> Configuration:
        """A configuration, asking `suggest` for the active dimensions one after another."""

        def choose(name: str) -> Value:
            dimension = self.by_name[name]
            return dimension.from_optuna(suggest(dimension))

        return walk(self._steps, choose)

    def params(self, configuration: Configuration) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Optuna's values and distributions of a configuration."""
        values = {
            **{f"tune.{name}": value for name, value in configuration.tune.items()},
            **{f"deploy.{name}": value for name, value in configuration.deploy.items()},
        }
        names = [name for name in self.by_name if name in values]
        params = {name: self.by_name[name].to_optuna(values[name]) for name in names}
        return params, {name: self.by_name[name].distribution for name in names}

    def held(self, tune: Mapping[str, Value]) -> dict[str, Any]:
        """Optuna's values of a `tune` that is to stay as it is."""
        return self.params(Configuration(tune=tune))[0]
