"""The search for the highest promise: how near it comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.climb import climbed
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.search import Search
from autoglm_core.configuration import Configuration
from autoglm_core.constraint import Constraint
from autoglm_core.space import CategoricalParameter, FloatParameter, IntParameter, Scale, SearchSpace

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Peak:
    """A promise that falls with the distance from `top` `(d,)`."""

    top: Array

    def __call__(self, inputs: Array) -> Array:
        result: Array = -((inputs - self.top) ** 2).sum(axis=1)
        return result

    def modelled(self, inputs: Array) -> Array:
        return self(inputs)


def reals(count: int) -> SearchSpace:
    return SearchSpace(tune=tuple(FloatParameter(f"x{index}", 0.0, 1.0) for index in range(count)))


def found(space: SearchSpace, promise: Peak) -> Array:
    """The encoding of what a search finds, without a front to begin from."""
    cube, rng = UnitCube(space), np.random.default_rng(1)
    configuration = Search(cube, Candidates(space, cube, [], rng), rng).run(promise, np.empty((0, cube.latents)))
    assert configuration is not None
    space.check(configuration)
    encoding: Array = cube.encode([configuration])[0]
    return encoding


@pytest.mark.parametrize("count", [1, 2, 6, 30])
def test_the_top_is_found_among_many_real_parameters(count: int) -> None:
    top = np.random.default_rng(count).random(count)
    assert found(reals(count), Peak(top)) == pytest.approx(top, abs=1e-4)


def test_a_top_outside_the_space_is_met_at_its_bounds() -> None:
    assert found(reals(3), Peak(np.array([-0.2, 0.5, 1.3]))) == pytest.approx([0.0, 0.5, 1.0], abs=1e-4)


def test_the_climb_is_to_a_local_top_and_of_its_columns_alone() -> None:
    promise = Peak(np.array([0.3, 0.9, 0.6]))
    assert climbed(promise, np.array([0.8, 0.1, 0.2]), np.array([0, 2])) == pytest.approx([0.3, 0.6], abs=1e-4)


def test_what_is_found_is_a_configuration_of_a_mixed_space() -> None:
    space = SearchSpace(
        tune=(
            FloatParameter("rate", 1e-4, 1e-1, Scale.LOG),
            IntParameter("depth", 1, 9),
            CategoricalParameter("kind", ("a", "b")),
            FloatParameter("fixed", 0.5, 0.5),
        )
    )
    cube = UnitCube(space)
    best = Configuration(tune={"rate": 0.00123, "depth": 4, "kind": "b", "fixed": 0.5})
    assert found(space, Peak(cube.encode([best])[0])) == pytest.approx(cube.encode([best])[0], abs=1e-4)


def test_the_top_is_sought_where_constraints_allow() -> None:
    space = SearchSpace(
        tune=(FloatParameter("x0", 0.0, 1.0), FloatParameter("x1", 0.0, 1.0)),
        constraints=(Constraint("x0 + x1 <= 1"),),
    )
    assert found(space, Peak(np.array([0.8, 0.8]))) == pytest.approx([0.5, 0.5], abs=0.03)
