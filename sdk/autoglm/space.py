"""Search spaces in Python, in the words of a study's file.

    space = search_space(
        tune={"learning_rate": loguniform(1e-3, 1e-1), "width": [16, 32], "aggregator": choice("fedavg", "fedadam"),
              "server_learning_rate": loguniform(1e-3, 1, when={"aggregator": "fedadam"})},
        deploy={"prune": uniform(0, 0.6)},
        constraints=["width * prune <= 16"],
    )

Each function gives the spelled-out form that a file may hold too, so both ways end in equal parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoglm_core.configuration import Value
from autoglm_core.constraint import Constraint
from autoglm_core.parse_parameter import parse_parameters
from autoglm_core.space import Scale, SearchSpace

Spelling = Any
"""What a file may hold for one parameter, or a tuple `(min, max, "log")`."""
When = Mapping[str, Value | Sequence[Value]]
"""For each parameter the values with which this one is active."""


def loguniform(minimum: float, maximum: float, *, when: When | None = None) -> dict[str, Spelling]:
    """A real number, searched by ratios; `minimum` must be above 0."""
    return _with_when({"type": "float", "min": minimum, "max": maximum, "scale": str(Scale.LOG)}, when)


def uniform(minimum: float, maximum: float, *, when: When | None = None) -> dict[str, Spelling]:
    """A real number."""
    return _with_when({"type": "float", "min": minimum, "max": maximum}, when)


def integer(minimum: int, maximum: int, *, log: bool = False, when: When | None = None) -> dict[str, Spelling]:
    """A whole number, both ends included; `log` searches it by ratios."""
    scale = Scale.LOG if log else Scale.LINEAR
    return _with_when({"type": "int", "min": minimum, "max": maximum, "scale": str(scale)}, when)


def choice(*choices: Value, when: When | None = None) -> dict[str, Spelling]:
    """One of `choices`; the first stands in the reference configuration."""
    return _with_when({"type": "categorical", "choices": list(choices)}, when)


def same_as(name: str, *, when: When | None = None) -> dict[str, Spelling]:
    """Always the value of the parameter `name`."""
    return _with_when({"same_as": name}, when)


def search_space(
    *,
    tune: Mapping[str, Spelling] | None = None,
    deploy: Mapping[str, Spelling] | None = None,
    constraints: Sequence[str] = (),
) -> SearchSpace:
    """The space of parameters by name, in any spelling.

    Raises:
        StudyError, ImpossibleSpace, ConstraintError: a parameter, a dependency or a constraint is declared wrongly.
    """
    return SearchSpace(
        tune=parse_parameters(tune or {}, ("tune",)),
        deploy=parse_parameters(deploy or {}, ("deploy",)),
        constraints=tuple(Constraint(text) for text in constraints),
    )


def _with_when(spelling: dict[str, Spelling], when: When | None) -> dict[str, Spelling]:
    return spelling if when is None else {**spelling, "when": dict(when)}
