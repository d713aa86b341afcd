"""What a parameter is in a reference configuration: nothing special in `tune`, the least compression in `deploy`."""

from __future__ import annotations

from autoglm_core.configuration import Value
from autoglm_core.parameter import CategoricalParameter, FreeParameter, among

LEAST: tuple[Value, ...] = ("none", 0, 0.0)
"""Choices that mean "leave the model as it is"."""


def reference_values(parameter: FreeParameter, *, least: bool) -> tuple[Value, ...]:
    """Values to try, the usual one first.

    Usual is the first choice or the midpoint of a range; with `least`, the choice `none` or 0 if there is one, and a
    range's minimum.
    """
    if isinstance(parameter, CategoricalParameter):
        first = [choice for choice in parameter.choices if least and among(choice, LEAST)]
        return (*first, *(choice for choice in parameter.choices if not among(choice, tuple(first))))
    low, middle, high = parameter.minimum, parameter.middle, parameter.maximum
    return (low, middle, high) if least else (middle, low, high)
