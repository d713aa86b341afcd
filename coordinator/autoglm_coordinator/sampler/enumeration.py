"""All configurations of a countable space, or of a grid laid over any; and the `grid` sampler."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np

from autoglm_coordinator.sampler.api import SpaceExhausted, Suggestion, UnsuitedSampler
from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, IntParameter, Parameter, Scale
from autoglm_core.reason import How, Reason
from autoglm_core.space import SearchSpace
from autoglm_core.trial import Observation

LEVELS = (5, 4, 3, 2)
"""Points that a grid lays over a range: as many as leave the grid countable."""
LIMIT = 20_000
"""Combinations of values that are counted out; a larger space is called endless."""


def every_configuration(space: SearchSpace) -> list[Configuration] | None:
    """All configurations that satisfy the space's constraints, or None where they are endless."""
    size = space.size()
    return None if size is None or size > LIMIT else list(space.grid())


def gridded(space: SearchSpace, levels: int) -> SearchSpace:
    """The space with `levels` values left of every range, evenly on its scale and with both ends.

    Ranges of integers that a condition looks at stay whole.
    """
    looked_at = {condition.parameter for parameter in (*space.tune, *space.deploy) for condition in parameter.when}

    def cut(parameter: Parameter) -> Parameter:
        match parameter:
            case FloatParameter():
                return CategoricalParameter(parameter.name, _spread(parameter, levels), parameter.when)
            case IntParameter() if len(parameter.values) > levels and parameter.name not in looked_at:
                return CategoricalParameter(parameter.name, _spread(parameter, levels), parameter.when)
            case _:
                return parameter

    return SearchSpace(
        tune=tuple(cut(parameter) for parameter in space.tune),
        deploy=tuple(cut(parameter) for parameter in space.deploy),
        constraints=space.constraints,
    )


def _spread(parameter: FloatParameter | IntParameter, levels: int) -> tuple[Value, ...]:
    low, high = parameter.minimum, parameter.maximum
    if parameter.scale is Scale.LOG:
        spread = np.exp(np.linspace(math.log(low), math.log(high), levels)).tolist()
    else:
        spread = np.linspace(low, high, levels).tolist()
    if isinstance(parameter, IntParameter):
        return tuple(sorted({min(max(round(value), low), high) for value in spread}))
    return tuple(sorted({min(max(float(f"{value:.6g}"), low), high) for value in spread}))


def grid_over(space: SearchSpace) -> SearchSpace:
    """The finest grid that can be counted out.

    Raises:
        UnsuitedSampler: even the coarsest has too many points.
    """
    for levels in LEVELS:
        grid = gridded(space, levels)
        if (grid.size() or 0) <= LIMIT:
            return grid
    raise UnsuitedSampler(name="grid", reason=f"its coarsest grid has more than {LIMIT} points", use="random")


class GridSampler:
    """Walks a grid in a seeded random order: every prefix of it is spread over the space. Learns nothing.

    Ranges are cut into at most 5 levels, on their scale; conditions, ties and constraints are kept.
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
        return [
            Suggestion(group[0].tune, tuple(entry.deploy for entry in group), (Reason(How.GRID),) * len(group))
            for group in chosen
        ]

    def _grid(self) -> list[Configuration]:
        every = every_configuration(grid_over(self._space)) or []
        # Every prefix of a random order is spread over the space; declared order would begin in one corner.
        return [every[index] for index in np.random.default_rng(self._seed).permutation(len(every))]
