"""One free parameter between its value, its latent coordinate and its columns of the surrogate's input."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_core.configuration import Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter, IntParameter, Scale, same_value

Array = NDArray[np.float64]
DIGITS = 6
"""Significant digits of a suggested float: more than a TUNE can tell apart, few enough to read and to compare."""
ONE_HOT = math.sqrt(0.5)
"""Two different choices of a category are at distance 1."""


@dataclass(frozen=True)
class Axis:
    """A free parameter, whose columns of the encoding begin at `column`."""

    parameter: FreeParameter
    column: int

    @property
    def jumps(self) -> bool:
        """Whether it is a category without an order, where a small step means nothing."""
        return isinstance(self.parameter, CategoricalParameter) and not self.parameter.ordered

    @property
    def width(self) -> int:
        """Columns: one for each choice of a category without an order, one for everything that lies on a line."""
        choices = self.parameter.choices if isinstance(self.parameter, CategoricalParameter) else ()
        return len(choices) if self.jumps else 1

    @property
    def inactive(self) -> float:
        """What its columns hold where it is not active: the same distance from every value, or the middle."""
        return ONE_HOT / self.width if self.jumps else 0.5

    def value(self, latent: float) -> Value:
        """The configuration's value at a latent coordinate in [0, 1]."""
        match self.parameter:
            case CategoricalParameter(choices=choices):
                return choices[min(int(latent * len(choices)), len(choices) - 1)]
            case IntParameter(minimum=low, maximum=high, scale=scale):
                # Every integer has the same share of the axis on a linear scale, its ratio's share on a log scale.
                return min(max(round(_on_scale(scale, low - 0.5, high + 0.5, latent)), low), high)
            case FloatParameter(minimum=low, maximum=high, scale=scale):
                return min(max(float(f"{_on_scale(scale, low, high, latent):.{DIGITS}g}"), low), high)

    def latent(self, value: Value) -> float:
        """A latent coordinate at which `value` stands."""
        match self.parameter:
            case CategoricalParameter(choices=choices):
                return (_index(choices, value) + 0.5) / len(choices)
            case IntParameter(minimum=low, maximum=high, scale=scale):
                return _place(scale, low - 0.5, high + 0.5, float(value))
            case FloatParameter(minimum=low, maximum=high, scale=scale):
                return _place(scale, low, high, float(value))

    def encode(self, value: Value, row: Array) -> None:
        """Write `value` into its columns of `row`."""
        match self.parameter:
            case CategoricalParameter(choices=choices) if self.jumps:
                row[self.column : self.column + self.width] = 0.0
                row[self.column + _index(choices, value)] = ONE_HOT
            case CategoricalParameter(choices=choices):
                row[self.column] = _index(choices, value) / max(1, len(choices) - 1)
            case IntParameter(minimum=low, maximum=high, scale=scale):
                row[self.column] = _place(scale, low, high, float(value))
            case FloatParameter(minimum=low, maximum=high, scale=scale):
                row[self.column] = _place(scale, low, high, float(value))

    def decode(self, row: Array) -> Value:
        """Inverse of `encode`; the nearest value where `row` is of no configuration."""
        at = float(row[self.column])
        match self.parameter:
            case CategoricalParameter(choices=choices) if self.jumps:
                return choices[int(np.argmax(row[self.column : self.column + self.width]))]
            case CategoricalParameter(choices=choices):
                return choices[min(max(round(at * (len(choices) - 1)), 0), len(choices) - 1)]
            case IntParameter(minimum=low, maximum=high, scale=scale):
                return min(max(round(_on_scale(scale, low, high, at)), low), high)
            case FloatParameter():
                return self.value(at)


def _index(choices: tuple[Value, ...], value: Value) -> int:
    return next(index for index, choice in enumerate(choices) if same_value(choice, value))


def _on_scale(scale: Scale, low: float, high: float, latent: float) -> float:
    if scale is Scale.LOG:
        low, high = math.log(low), math.log(high)
        return math.exp(low + (high - low) * latent)
    return low + (high - low) * latent


def _place(scale: Scale, low: float, high: float, value: float) -> float:
    if high <= low:
        return 0.5
    if scale is Scale.LOG:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)
