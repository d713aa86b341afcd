"""What a suggestion is after: the ends of a front in some turns, its middle in the others."""

from __future__ import annotations

import numpy as np

from autoglm_coordinator.sampler.bayes.acquisition import acquisition, extends
from autoglm_coordinator.sampler.bayes.belief import Belief, belief_of
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration
from autoglm_core.objective import Direction, Objective
from autoglm_core.space import FloatParameter, SearchSpace
from support.search_problems import observation

SPACE = SearchSpace(tune=(FloatParameter("x", 0.0, 1.0),))
CUBE = UnitCube(SPACE)


def at(x: float) -> Configuration:
    return Configuration(tune={"x": x})


def believed(seen: list[float]) -> Belief:
    """Of two goals that are opposed along the whole space, so that every configuration is on the front."""
    objectives = (Objective("gain", Direction.MAXIMIZE), Objective("loss", Direction.MINIMIZE))
    known = [observation(at(x), {"gain": x, "loss": x + 0.2 * x * x}) for x in seen]
    belief = belief_of(CUBE, Goals(objectives, None, SPACE.reference()), known, np.random.default_rng(1))
    assert belief is not None
    return belief


def test_turns_after_the_ends_reach_beyond_the_worst_that_was_seen() -> None:
    belief = believed([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    beyond, within = CUBE.encode([at(0.9)]), CUBE.encode([at(0.25)])
    to_the_ends, to_the_middle = acquisition(belief, extend=True), acquisition(belief, extend=False)
    assert to_the_ends(beyond)[0] > to_the_ends(within)[0] + 1
    assert to_the_middle(beyond)[0] < to_the_middle(within)[0] - 1


def test_some_turns_are_after_the_ends_and_most_are_not() -> None:
    assert 0 < sum(extends(turn) for turn in range(40)) < 20


def test_between_configurations_the_promise_is_smooth() -> None:
    promise = acquisition(believed([0.0, 0.3, 0.5, 0.9]), extend=False)
    line = promise.modelled(np.linspace(0.31, 0.49, 400)[:, None])
    assert np.isfinite(line).all()
    assert np.abs(np.diff(line, n=2)).max() < 0.05


def test_a_front_that_is_refined_gives_way_to_what_may_lie_beyond_its_ends() -> None:
    """Of two pieces one is known closely; in a turn that would refine it, the search leaves it all the same."""
    objectives = (Objective("gain", Direction.MAXIMIZE), Objective("loss", Direction.MINIMIZE))
    goals = Goals(objectives, None, SPACE.reference())
    assert not extends(13)
    # Close together, where a further point between them adds next to nothing.
    piece = np.linspace(0.0, 0.3, 13)
    sampler = BayesSampler(SPACE, goals, seed=1, variants=1)
    sampler.observe([observation(at(x), {"gain": x, "loss": x + 0.2 * x * x}) for x in piece], [])
    assert float(sampler.suggest(1)[0].tune["x"]) > 0.35


def test_an_accuracy_beyond_1_is_no_gain() -> None:
    """A line through what was seen crosses 1 long before the end of the space."""
    goals = Goals((Objective("accuracy", Direction.MAXIMIZE), Objective("loss", Direction.MINIMIZE)), None, at(0.0))
    known = [observation(at(x), {"accuracy": 0.4 + x, "loss": x}) for x in np.linspace(0.0, 0.55, 8)]
    belief = belief_of(CUBE, goals, known, np.random.default_rng(1))
    assert belief is not None
    at_one, beyond = acquisition(belief, extend=True)(CUBE.encode([at(0.6), at(0.75)]))
    assert beyond < at_one
