"""The dimensions of a search space: ranges of floats and integers, lists of choices, and ties to another dimension.

Values are compared with their type: `1`, `1.0` and `true` are three values, because a configuration is hashed as JSON
and Python's `1 == True` would let two configurations with different hashes count as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite, prod, sqrt

from autoglm_core.canonical import Json
from autoglm_core.configuration import Value
from autoglm_core.study_error import ImpossibleSpace

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LARGEST = 2**53
"""Integers beyond this are not exact as a double."""


class Part(StrEnum):
    """The two parts of a configuration."""

    TUNE = "tune"
    DEPLOY = "deploy"


class Scale(StrEnum):
    """How a range is searched: by differences or by ratios."""

    LINEAR = "linear"
    LOG = "log"


def same_value(left: Value, right: Value) -> bool:
    """Equal and of the same type."""
    return type(left) is type(right) and left == right


def typed(value: Value) -> tuple[type, Value]:
    """A key that is equal where `same_value` holds."""
    return type(value), value


def among(value: Value, values: tuple[Value, ...]) -> bool:
    """Whether `value` is one of `values`, types included."""
    return any(same_value(value, other) for other in values)


@dataclass(frozen=True)
class Condition:
    """Holds when `parameter` is active and has one of `values`."""

    parameter: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class FloatParameter:
    """A real number in [minimum, maximum]; a log scale needs a positive minimum.

    `when`: all conditions must hold for it to be active.
    """

    name: str
    minimum: float
    maximum: float
    scale: Scale = Scale.LINEAR
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.name)
        object.__setattr__(self, "minimum", float(self.minimum))
        object.__setattr__(self, "maximum", float(self.maximum))
        _check_range(self)

    def contains(self, value: Value) -> bool:
        """Whether `value` is a float within the range."""
        return type(value) is float and self.minimum <= value <= self.maximum

    @property
    def middle(self) -> float:
        """Arithmetic or geometric midpoint."""
        if self.scale is Scale.LOG:
            return min(max(sqrt(self.minimum) * sqrt(self.maximum), self.minimum), self.maximum)
        return self.minimum + (self.maximum - self.minimum) / 2

    @property
    def values(self) -> None:
        """Not countable."""
        return None

    def to_json(self) -> Json:
        """Canonical form."""
        return _range_json(self, "float")


@dataclass(frozen=True)
class IntParameter:
    """An integer in [minimum, maximum], both included."""

    name: str
    minimum: int
    maximum: int
    scale: Scale = Scale.LINEAR
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_range(self)

    def contains(self, value: Value) -> bool:
        """Whether `value` is an int within the range."""
        return type(value) is int and self.minimum <= value <= self.maximum

    @property
    def middle(self) -> int:
        """Arithmetic midpoint rounded down, or geometric midpoint rounded."""
        if self.scale is Scale.LOG:
            return min(max(round(sqrt(self.minimum) * sqrt(self.maximum)), self.minimum), self.maximum)
        return (self.minimum + self.maximum) // 2

    @property
    def values(self) -> range:
        """Every value, ascending."""
        return range(self.minimum, self.maximum + 1)

    def to_json(self) -> Json:
        """Canonical form."""
        return _range_json(self, "int")


@dataclass(frozen=True)
class CategoricalParameter:
    """One of `choices`, in declared order.

    `ordered`: they are numbers, so that a model of the objective may use their distance.
    """

    name: str
    choices: tuple[Value, ...]
    when: tuple[Condition, ...] = ()
    ordered: bool = field(init=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not self.choices:
            raise ImpossibleSpace(parameter=self.name, reason="has no choice")
        seen: set[tuple[type, Value]] = set()
        for choice in self.choices:
            if isinstance(choice, float) and not isfinite(choice):
                raise ImpossibleSpace(parameter=self.name, reason="choices must be finite")
            if typed(choice) in seen:
                raise ImpossibleSpace(parameter=self.name, reason=f"has the choice {choice!r} twice")
            seen.add(typed(choice))
        numeric = all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in self.choices)
        object.__setattr__(self, "ordered", numeric)

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of the choices."""
        return among(value, self.choices)

    @property
    def values(self) -> tuple[Value, ...]:
        """The choices."""
        return self.choices

    def to_json(self) -> Json:
        """Canonical form."""
        return {"name": self.name, "type": "categorical", "choices": list(self.choices)} | _when_json(self.when)


@dataclass(frozen=True)
class TiedParameter:
    """Always has the value of `same_as`, and is active only where that one is."""

    name: str
    same_as: str
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.name)

    def to_json(self) -> Json:
        """Canonical form."""
        return {"name": self.name, "same_as": self.same_as} | _when_json(self.when)


FreeParameter = FloatParameter | IntParameter | CategoricalParameter
Parameter = FreeParameter | TiedParameter


def grid_size(parameters: tuple[FreeParameter, ...]) -> int | None:
    """Combinations of values, conditions ignored; None where one is not countable."""
    counts = [None if parameter.values is None else len(parameter.values) for parameter in parameters]
    return None if None in counts else prod(count for count in counts if count is not None)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ImpossibleSpace(parameter=name[:64], reason="a name has letters, digits and _ and starts with no digit")


def _check_range(parameter: FloatParameter | IntParameter) -> None:
    low, high = parameter.minimum, parameter.maximum
    if not (isfinite(low) and isfinite(high)):
        raise ImpossibleSpace(parameter=parameter.name, reason="min and max must be finite")
    if low > high:
        raise ImpossibleSpace(parameter=parameter.name, reason=f"min {low:g} is above max {high:g}")
    if isinstance(parameter, IntParameter) and max(abs(low), abs(high)) > LARGEST:
        raise ImpossibleSpace(parameter=parameter.name, reason="min and max must lie within 2^53")
    if parameter.scale is Scale.LOG and low <= 0:
        raise ImpossibleSpace(parameter=parameter.name, reason=f"a log scale needs min above 0, not {low:g}")


def _range_json(parameter: FloatParameter | IntParameter, kind: str) -> Json:
    return {
        "name": parameter.name,
        "type": kind,
        "min": parameter.minimum,
        "max": parameter.maximum,
        "scale": str(parameter.scale),
    } | _when_json(parameter.when)


def _when_json(when: tuple[Condition, ...]) -> Json:
    return {"when": {condition.parameter: list(condition.values) for condition in when}} if when else {}
