"""Between a search space and Optuna's distributions.

Choices travel as their index: numbers (16, 32, 64) as an integer, so that a model knows 32 to lie between its
neighbours, all others as categories, because Optuna, unlike a study, takes 1, 1.0 and true for one choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoglm_core.configuration import Configuration, Value, Values
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter, IntParameter, Scale, same_value
from autoglm_core.space import SearchSpace, TiedParameter

DIGITS = 6
"""Significant digits of a suggested float: more than a TUNE can tell apart, few enough to read and to compare."""


@dataclass(frozen=True)
class Dimension:
    """One free parameter with its distribution, and the way from the one to the other."""

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
    """All free parameters of a space."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self.by_name = {
            parameter.name: Dimension(parameter, _distribution(parameter))
            for parameter in (*space.tune, *space.deploy)
            if not isinstance(parameter, TiedParameter)
        }

    def draw(self, suggest: Callable[[Dimension], Any], *, held: Values) -> Configuration:
        """A configuration: `suggest` is asked for each active dimension, also for held ones, whose value stays."""

        def choose(parameter: FreeParameter) -> Value:
            dimension = self.by_name[parameter.name]
            drawn = dimension.from_optuna(suggest(dimension))
            return held.get(parameter.name, drawn)

        return self._space.build(choose)

    def params(self, values: Values) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Optuna's values and distributions of the free parameters among `values`."""
        active = {name: dimension for name, dimension in self.by_name.items() if name in values}
        params = {name: dimension.to_optuna(values[name]) for name, dimension in active.items()}
        return params, {name: dimension.distribution for name, dimension in active.items()}
