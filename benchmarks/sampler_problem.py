"""What a problem is that samplers are compared on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoglm_core.configuration import Value, Values
from autoglm_core.space import SearchSpace


@dataclass(frozen=True)
class Problem:
    """`evaluate` gives one figure per entry of `reference`, all minimised; `real`: the space is a box of real numbers.

    `maximum`: the hypervolume of the whole front, where it is known.
    """

    name: str
    space: SearchSpace
    reference: tuple[float, ...]
    evaluate: Callable[[Values], tuple[float, ...]]
    real: bool
    maximum: float | None


def number(value: Value) -> float:
    """`value`, which is a number."""
    assert isinstance(value, int | float)
    return float(value)
