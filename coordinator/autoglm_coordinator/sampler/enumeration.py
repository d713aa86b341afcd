"""All configurations of a space, or of a grid laid over it; and the `grid` sampler."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, IntParameter, Scale, TiedParameter
from autoglm_core.space import SearchSpace
from autoglm_core.trial import Observation

from autoglm_coordinator.sampler.api import SpaceExhausted, Suggestion, UnsuitedSampler
from autoglm_coordinator.sampler.walk import Step, steps_of, walk_all

LEVELS = 5
"""Points that a grid lays over a range."""
LIMIT = 20_000
"""Configurations that are counted out; a larger space is called endless."""


def every_configuration(space: SearchSpace) -> list[Configuration] | None:
    """All configurations that satisfy the space's constraints, or None where they are endless."""
    steps = steps_of(space)
    if any(isinstance(step.parameter, FloatParameter) and not _is_point(step.parameter) for step in steps):
        return None
    found = list(islice(walk_all(steps, lambda step: _levels(step, LIMIT + 1)), LIMIT + 1))
    return None if len(found) > LIMIT else [entry for entry in found if space.contains(entry)]


def _is_point(parameter: FloatParameter) -> bool:
    return parameter.minimum == parameter.maximum


def _levels(step: Step, most: int) -> Sequence[Value]:
    """All values, or `most` of them spread evenly on the parameter's scale, both ends included."""
    match step.parameter:
        case CategoricalParameter(choices=choices):
            return choices
        case IntParameter(minimum=minimum, maximum=maximum, scale=scale):
            if maximum - minimum < most:
                return range(minimum, maximum + 1)
            spread = _spread(minimum, maximum, scale=scale, count=most)
            return sorted({min(max(round(value), minimum), maximum) for value in spread})
        case FloatParameter(minimum=minimum, maximum=maximum, scale=scale):
            spread = _spread(minimum, maximum, scale=scale, count=most)
            return sorted({min(max(value, minimum), maximum) for value in spread})
        case TiedParameter():
            return ()


def _spread(minimum: float, maximum: float, *, scale: Scale, count: int) -> list[float]:
    if scale is Scale.LOG:
        exponents = np.linspace(math.log(minimum), math.log(maximum), count)
        return [float(f"{math.exp(exponent):.6g}") for exponent in exponents]
    return [float(f"{value:.6g}") for value in np.linspace(minimum, maximum, count)]


class GridSampler:
    """Walks a grid in a seeded random order: every prefix of it is spread over the space. Learns nothing.

    Ranges are cut into 5 levels, on their scale; conditions, ties and constraints are kept.
    """

    def __init__(self, space: SearchSpace, *, seed: int, variants: int) -> None:
        self._space = space
        self._seed = seed
        self._variants = variants
        self._known: set[str] = set()

    def observe(self, completed: Sequence[Observation], pending: Sequence[Configuration]) -> None:
        """See `Sampler.observe`."""
        self._known = {entry.configuration.key for entry in completed} | {entry.key for entry in pending}

    def suggest(self, n: int) -> list[Suggestion]:
        """See `Sampler.suggest`."""
        grid = self._grid()
        open_groups: dict[str, list[Configuration]] = {}
        for configuration in grid:
            if configuration.key not in self._known:
                open_groups.setdefault(configuration.tune_key, []).append(configuration)
        if not open_groups:
            raise SpaceExhausted(configurations=len(grid))
        chosen = [group[: self._variants] for group in islice(open_groups.values(), n)]
        self._known |= {configuration.key for group in chosen for configuration in group}
        return [Suggestion(group[0].tune, tuple(entry.deploy for entry in group)) for group in chosen]

    def _grid(self) -> list[Configuration]:
        points: Iterator[Configuration] = walk_all(steps_of(self._space), lambda step: _levels(step, LEVELS))
        grid = list(islice(points, LIMIT + 1))
        if len(grid) > LIMIT:
            raise UnsuitedSampler(name="grid", reason=f"its grid has more than {LIMIT} points", use="random")
        allowed = [entry for entry in grid if self._space.contains(entry)]
        order = np.random.default_rng(self._seed).permutation(len(allowed))
        return [allowed[index] for index in order]
