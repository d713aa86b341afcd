"""Rules for the values of a configuration: what each may be, and one error that says so.

A family of options is a frozen dataclass with defaults and a table of rules, one per field; `updated` is all that reads
a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from autoglm_core.configuration import Value, Values
from autoglm_core.study_error import StudyError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Options = TypeVar("Options", bound=DataclassInstance)
else:
    Options = TypeVar("Options")


@dataclass(frozen=True)
class Rule:
    """`convert` yields the value in the option's type, or None where it breaks the rule that `expected` words."""

    convert: Callable[[Value], Value | None]
    expected: str


def updated(options: Options, values: Values, rules: Mapping[str, Rule], *, part: str = "tune") -> Options:
    """`options` with those `values` of a configuration's `part` that `rules` names.

    Raises:
        StudyError: a value is of the wrong type or out of its range.
    """
    known: dict[str, Any] = {name: _checked(name, values[name], rules[name], part) for name in rules if name in values}
    return replace(options, **known)


def one_of(*names: str) -> Rule:
    """One of these words."""

    def convert(value: Value) -> str | None:
        return value if isinstance(value, str) and value in names else None

    return Rule(convert, " or ".join(names) if len(names) == 2 else f"one of {', '.join(names)}")


def number(test: Callable[[float], bool], expected: str) -> Rule:
    """A finite number that passes `test`, as a float."""

    def convert(value: Value) -> float | None:
        numeric = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        return float(value) if numeric and test(float(value)) else None

    return Rule(convert, expected)


def _whole(value: Value) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def _switch(value: Value) -> bool | None:
    return value if isinstance(value, bool) else None


WHOLE = Rule(_whole, "a whole number of at least 1")
SWITCH = Rule(_switch, "true or false")
NOT_NEGATIVE = number(lambda value: value >= 0, "a number of at least 0")
POSITIVE = number(lambda value: value > 0, "a number above 0")
FRACTION = number(lambda value: 0 <= value < 1, "a number from 0 to below 1")


def _checked(name: str, value: Value, rule: Rule, part: str) -> Value:
    converted = rule.convert(value)
    if converted is None:
        raise StudyError(("search", part, name), f"must be {rule.expected}")
    return converted
