"""Constraints on outcomes: how likely they are to hold, by how far figures are from their bound."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.belief import Belief, belief_of
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.prediction import log_feasible, predicted
from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.goals import Goals, goals_of
from autoglm_core.bound import Bound
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.trial import Observation, TrialState
from support.search_problems import box
from support.search_trials import ACCURACY, LATENCY, measured, searched_study, validated

Array = NDArray[np.float64]
CUBE = UnitCube(box(2))
SLOWEST = Bound("latency_p95_ms", 5.0, upper=True)


def at(x: float, y: float) -> Configuration:
    return Configuration({"x0": x, "x1": y})


def latency(configuration: Configuration) -> float:
    """From 1 to 20 ms along the first parameter; 5 ms at 0.537."""
    return math.exp(3 * float(configuration.tune["x0"]))


def seen(configuration: Configuration, *, refused: bool = False) -> Observation:
    x, y = float(configuration.tune["x0"]), float(configuration.tune["x1"])
    values = {
        "accuracy": validated(0.6 + 0.3 * x - 0.1 * (y - 0.5) ** 2),
        "latency_p95_ms": measured(latency(configuration)),
    }
    return Observation(configuration, values, 9, TrialState.INFEASIBLE if refused else TrialState.COMPLETED)


def drawn(count: int, *, most: float = 1.0) -> list[Configuration]:
    points = np.random.default_rng(2).random((count, 2)) * [most, 1.0]
    return [at(*point) for point in points.tolist()]


def believed(observations: Sequence[Observation], *bounds: Bound) -> Belief:
    goals = Goals((ACCURACY, LATENCY), None, box(2).reference(), bounds=bounds)
    belief = belief_of(CUBE, goals, observations, np.random.default_rng(0))
    assert belief is not None
    return belief


def feasible(belief: Belief, *places: float) -> Array:
    """Probabilities along the first parameter."""
    probabilities: Array = np.exp(log_feasible(belief, CUBE.encode([at(x, 0.5) for x in places])))
    return probabilities


def test_a_bound_is_sure_far_from_it_and_open_near_it() -> None:
    belief = believed([seen(entry) for entry in drawn(20)], SLOWEST)
    far_below, just_below, at_the_bound, far_above = feasible(belief, 0.2, 0.5, 0.5365, 0.8)
    assert far_below > 0.999 and far_above < 0.001
    assert 0.6 < just_below
    assert at_the_bound == pytest.approx(0.5, abs=0.35)


def test_a_bound_that_nothing_broke_yet_is_seen_coming() -> None:
    """Whether trials were feasible says nothing here: all were."""
    fine = [seen(entry) for entry in drawn(20, most=0.45)]
    belief = believed(fine, SLOWEST)
    assert feasible(belief, 0.9)[0] < 0.5 < 0.999 < feasible(belief, 0.3)[0]
    assert feasible(believed(fine), 0.9)[0] == 1.0


def test_a_metric_that_only_a_constraint_names_is_modelled() -> None:
    sizes = [
        Observation(
            entry,
            {**seen(entry).values, "size_mb": Measurement(1 + entry.tune["x1"], 0.0, 1, Provenance.EXACT)},  # type: ignore[operator]
            9,
            TrialState.COMPLETED,
        )
        for entry in drawn(15)
    ]
    belief = believed(sizes, Bound("size_mb", 1.3, upper=True))
    inside, outside = np.exp(log_feasible(belief, CUBE.encode([at(0.5, 0.1), at(0.5, 0.6)])))
    assert inside > 0.99 and outside < 0.01
    assert predicted(belief, CUBE.encode([at(0.5, 0.6)]))[0]["size_mb"][0] == pytest.approx(1.6, abs=0.05)


def test_what_no_bound_explains_is_learned_from_what_was_refused() -> None:
    """Every trial above 0.6 in the second parameter was refused, though all of them are quick."""
    known = [seen(entry, refused=float(entry.tune["x1"]) > 0.6) for entry in drawn(40, most=0.4)]
    belief = believed(known, SLOWEST)
    below, above = np.exp(log_feasible(belief, CUBE.encode([at(0.2, 0.2), at(0.2, 0.9)])))
    assert below > 0.9 and above < 0.1


def test_what_a_bound_explains_teaches_nothing_else() -> None:
    """Slow trials were refused, and all of them lie in one half of the second parameter, by chance."""
    points = [at(0.1 + 0.05 * index, 0.2 if index < 9 else 0.8) for index in range(16)]
    known = [seen(entry, refused=latency(entry) > 5.0) for entry in points]
    (other_half,) = np.exp(log_feasible(believed(known, SLOWEST), CUBE.encode([at(0.1, 0.8)])))
    assert other_half > 0.95


def test_the_best_at_a_bound_is_found() -> None:
    """Accuracy grows with latency, which is bounded and otherwise free."""
    known: list[Observation] = []
    goals = Goals((ACCURACY,), None, box(2).reference(), bounds=(SLOWEST,))
    while len(known) < 20:
        sampler = BayesSampler(box(2), goals, seed=1, variants=1)
        sampler.observe(known, [])
        configuration = sampler.suggest(1)[0].configurations[0]
        known.append(seen(configuration, refused=latency(configuration) > 5.0))
    late = [latency(entry.configuration) for entry in known[10:]]
    assert max(late) < 6.0
    assert max(figure for figure in late if figure <= 5.0) > 4.8


def test_a_study_states_its_bounds_on_metrics_alone() -> None:
    stated = ("size_mb <= 0.25", "latency_p95_ms <= 5 * threads", "prune <= 0.3 and energy_mj <= 2", "accuracy >= 0.5")
    goals = goals_of(searched_study("bayes", constraints=stated))
    assert goals.bounds == (Bound("size_mb", 0.25, upper=True), Bound("accuracy", 0.5, upper=False))
    assert goals.classes == ("one-core", "two-core")
