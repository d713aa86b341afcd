"""Configurations spread evenly over a search space, always the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from math import exp, log

from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter, Scale
from autoglm_core.space import SearchSpace, TiedParameter


def spread(space: SearchSpace) -> Iterator[Configuration]:
    """Configurations without end, constraints ignored.

    An additive recurrence with the powers of the generalised golden ratio as steps (Roberts 2018), which needs no
    tables and is as even as a Halton sequence.
    """
    free = [parameter for parameter in (*space.tune, *space.deploy) if not isinstance(parameter, TiedParameter)]
    ratio = _golden(len(free))
    steps = {parameter.name: ratio ** -(position + 1) for position, parameter in enumerate(free)}
    for number in count():
        yield space.build(partial(_value, steps=steps, number=number))


def _golden(dimensions: int) -> float:
    """The root above 1 of x^(d + 1) = x + 1, by fixed-point iteration."""
    ratio = 1.5
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    return ratio


def _value(parameter: FreeParameter, *, steps: dict[str, float], number: int) -> Value:
    share = (0.5 + (number + 1) * steps[parameter.name]) % 1.0
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices[int(share * len(parameter.choices))]
    low, high = parameter.minimum, parameter.maximum
    if isinstance(parameter, FloatParameter):
        if parameter.scale is Scale.LOG:
            return min(max(exp(log(low) + share * (log(high) - log(low))), low), high)
        return min(max(low + share * (high - low), low), high)
    if parameter.scale is Scale.LOG:
        return min(max(int(exp(log(low) + share * (log(high + 1) - log(low)))), int(low)), int(high))
    return min(int(low) + int(share * (high - low + 1)), int(high))
