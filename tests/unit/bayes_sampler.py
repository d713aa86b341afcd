"""The Bayesian sampler on bad and degenerate input, and how long it takes."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from autoglm_coordinator.sampler.api import SpaceExhausted
from autoglm_coordinator.sampler.bayes.sampler import STARTUP
from autoglm_core.configuration import Configuration, Value, Values
from autoglm_core.parameter import FreeParameter
from autoglm_core.space import CategoricalParameter, FloatParameter, SearchSpace, TiedParameter
from autoglm_core.trial import Observation, TrialState
from support.search_problems import box, observation, sampler, searched

METRICS = ("f0", "f1")


def two(values: Values) -> dict[str, float]:
    """Two bowls; the front is the line between their centres."""
    at = number(values["x0"]), number(values["x1"])
    return {"f0": math.dist(at, (0.2, 0.2)) ** 2, "f1": math.dist(at, (0.8, 0.6)) ** 2}


def distances_from_the_front(configurations: Sequence[Configuration]) -> list[float]:
    """Of `two`: from (0.2, 0.2) to (0.8, 0.6), where y = 2 x / 3 + 1 / 15; along y."""
    points = [(number(entry.tune["x0"]), number(entry.tune["x1"])) for entry in configurations]
    return [abs(2 * x / 3 + 1 / 15 - y) for x, y in points]


def number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def at_random(space: SearchSpace, count: int, seed: int = 1) -> list[Configuration]:
    generator = random.Random(seed)  # noqa: S311  no secret

    def choose(parameter: FreeParameter) -> Value:
        assert isinstance(parameter, FloatParameter)
        return float(f"{generator.uniform(parameter.minimum, parameter.maximum):.6g}")

    return [space.build(choose) for _ in range(count)]


def observed(count: int, figures: Callable[[Values], dict[str, float]] = two, *, seed: int = 1) -> list[Observation]:
    return [observation(entry, figures(entry.tune)) for entry in at_random(box(2), count, seed)]


def next_of(known: list[Observation], pending: list[Configuration] | None = None, n: int = 1) -> list[Configuration]:
    metrics = sorted({metric for entry in known for metric in entry.values}) or METRICS
    asked = sampler(box(len(known[0].configuration.tune)), metrics)
    asked.observe(known, pending or [])
    return [suggestion.configurations[0] for suggestion in asked.suggest(n)]


def test_the_front_is_found_far_sooner_than_by_chance() -> None:
    known = searched(box(2), METRICS, two, total=30)
    assert np.median(distances_from_the_front([entry.configuration for entry in known[-12:]])) < 0.02
    assert np.median(distances_from_the_front(at_random(box(2), 30))) > 0.1


def test_the_order_of_trials_does_not_matter() -> None:
    known, pending = observed(25), at_random(box(2), 4, seed=2)
    assert next_of(known, pending, 3) == next_of(known[::-1], pending[::-1], 3)


def test_suggestions_of_one_batch_lie_apart_and_away_from_what_is_pending() -> None:
    known = observed(20)
    first = next_of(known)
    again = next_of(known, first, 3)
    points = [[number(value) for value in entry.tune.values()] for entry in (*first, *again)]
    distances = np.linalg.norm(np.subtract(points, np.array(points)[:, None]), axis=2) + 9 * np.eye(len(points))
    assert distances.min() > 0.01


def test_a_pending_trial_that_never_returns_does_not_stop_the_search() -> None:
    lost = next_of(observed(20))
    known = observed(20)
    for _ in range(4):
        suggested = next_of(known, lost)
        assert suggested[0] not in lost
        known.append(observation(suggested[0], two(suggested[0].tune)))


def test_infeasible_trials_push_away() -> None:
    known = [
        Observation(entry.configuration, {}, 0, TrialState.INFEASIBLE)
        if number(entry.configuration.tune["x0"]) > 0.5
        else entry
        for entry in observed(40)
    ]
    suggested = next_of(known, n=8)
    assert sum(number(entry.tune["x0"]) > 0.55 for entry in suggested) <= 1
    assert sum(number(entry.tune["x0"]) > 0.55 for entry in next_of(observed(40), n=8)) >= 3


def test_where_everything_was_infeasible_what_is_far_from_it_is_tried() -> None:
    infeasible = [
        Observation(entry, {}, 0, TrialState.INFEASIBLE)
        for entry in at_random(box(2), 60)
        if number(entry.tune["x0"]) < 0.7
    ]
    assert all(number(entry.tune["x0"]) > 0.7 for entry in next_of(infeasible, n=2))


def test_when_all_failed_the_search_goes_on_over_the_whole_space() -> None:
    known = [Observation(entry, {}, 0, TrialState.FAILED) for entry in at_random(box(2), 30)]
    suggested = next_of(known, n=8)
    assert len(set(suggested)) == 8
    assert np.ptp([number(entry.tune["x0"]) for entry in suggested]) > 0.5


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_an_objective_that_never_changes_leaves_the_search_to_the_others(constant: float) -> None:
    known = observed(25, lambda values: {**two(values), "f1": constant})
    x, y = ([number(entry.tune[name]) for entry in next_of(known, n=3)] for name in ("x0", "x1"))
    assert min(math.dist(at, (0.2, 0.2)) for at in zip(x, y, strict=True)) < 0.1


def test_all_objectives_constant_is_no_error() -> None:
    assert len(next_of(observed(15, lambda values: {"f0": 1.0, "f1": 2.0}), n=2)) == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_figures_that_are_no_numbers_are_left_out(bad: float) -> None:
    known = observed(24)
    spoiled = known[:20] + [observation(entry.configuration, {"f0": bad, "f1": 0.3}) for entry in known[20:]]
    assert np.median(distances_from_the_front(next_of(spoiled, n=4))) < 0.1
    nothing_left = [observation(entry.configuration, {"f0": bad, "f1": bad}) for entry in known]
    assert len(next_of(nothing_left, n=2)) == 2


def test_one_figure_beyond_all_measure_does_not_hide_the_others() -> None:
    known = observed(24)
    known.append(observation(at_random(box(2), 1, seed=9)[0], {"f0": 1e12, "f1": 0.5}))
    assert np.median(distances_from_the_front(next_of(known, n=4))) < 0.1


def test_fifty_objectives_are_searched_in_bounded_time() -> None:
    centres = np.random.default_rng(3).random((50, 2))

    def many(values: Values) -> dict[str, float]:
        at = np.array([number(values["x0"]), number(values["x1"])])
        return {f"f{index:02}": float(((at - centre) ** 2).sum()) for index, centre in enumerate(centres)}

    known = observed(40, many)
    began = time.process_time()
    assert len(set(next_of(known, n=2))) == 2
    assert time.process_time() - began < 10


def test_fifty_objectives_of_which_none_was_ever_measured_are_no_error() -> None:
    asked = sampler(box(2), [f"f{index}" for index in range(50)])
    asked.observe([Observation(entry, {}, 0, TrialState.INFEASIBLE) for entry in at_random(box(2), 15)], [])
    assert len(asked.suggest(2)) == 2


def test_a_space_of_one_point_is_suggested_once() -> None:
    space = SearchSpace(tune=(CategoricalParameter("only", ("this",)), TiedParameter("same", "only")))
    for asked_space in (space, SearchSpace()):
        asked = sampler(asked_space, METRICS)
        asked.observe([], [])
        suggested = asked.suggest(5)
        assert [entry.configurations for entry in suggested] == [(asked_space.reference(),)]
        asked.observe([], [asked_space.reference()])
        with pytest.raises(SpaceExhausted):
            asked.suggest(1)


def test_duplicates_among_the_trials_are_replicates() -> None:
    known = observed(15)
    assert len(set(next_of(known * 4, n=2))) == 2


def test_the_first_suggestions_are_spread() -> None:
    asked = sampler(box(2), METRICS)
    asked.observe([], [])
    points = np.array([[number(v) for v in entry.tune.values()] for entry in asked.suggest(STARTUP)])
    # Every half of either axis has its share.
    assert ((points < 0.5).sum(axis=0) >= 3).all() and ((points > 0.5).sum(axis=0) >= 3).all()


@pytest.mark.parametrize(("count", "most"), [(300, 3.0), (1000, 4.0)])
def test_a_suggestion_takes_bounded_processor_time(count: int, most: float) -> None:
    """Six parameters, two objectives; about a fifth of this where it was measured."""
    rng = np.random.default_rng(2)
    centres = rng.random((2, 6))
    known = [
        observation(
            entry,
            {
                name: float(((np.array(list(entry.tune.values())) - centre) ** 2).sum())
                for name, centre in zip(METRICS, centres, strict=True)
            },
        )
        for entry in at_random(box(6), count)
    ]
    began = time.process_time()
    assert len(next_of(known)) == 1
    assert time.process_time() - began < most
