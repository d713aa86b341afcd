"""Several device classes: a front each, what one teaches of another, and figures that are known before training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.acquisition import acquisition
from autoglm_coordinator.sampler.bayes.belief import Belief, belief_of
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.prediction import log_feasible, predicted
from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.goals import Goals
from autoglm_coordinator.sampler.shapes import Shapes
from autoglm_core.bound import Bound
from autoglm_core.configuration import Configuration, Value
from autoglm_core.measurement import Measurement
from autoglm_core.objective import Direction, Objective, Weighted
from autoglm_core.space import CategoricalParameter, FloatParameter, SearchSpace
from autoglm_core.trial import Observation, TrialState
from support.search_trials import ACCURACY, LATENCY, measured, validated

Array = NDArray[np.float64]
CLASSES = ("gateway", "server")
FASTEST = {"gateway": 1, "server": 4}
"""Threads with which each class is fastest."""
SPACE = SearchSpace(
    tune=(FloatParameter("rate", 0.0, 1.0), FloatParameter("width", 0.0, 1.0)),
    deploy=(CategoricalParameter("threads", (1, 2, 4)),),
)
CUBE = UnitCube(SPACE)


def at(rate: float, width: float, threads: int) -> Configuration:
    return Configuration({"rate": rate, "width": width}, {"threads": threads})


def number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def accuracy(configuration: Configuration) -> float:
    rate, width = number(configuration.tune["rate"]), number(configuration.tune["width"])
    return 0.7 + 0.2 * math.sqrt(width) - 0.3 * (rate - 0.6) ** 2


def latency(configuration: Configuration, device_class: str) -> float:
    """Milliseconds: grows with the width; the wrong number of threads doubles it, or quadruples it."""
    width, threads = number(configuration.tune["width"]), number(configuration.deploy["threads"])
    wrong = abs(math.log2(threads / FASTEST[device_class]))
    slower = {"gateway": 5.0, "server": 1.0}[device_class]
    return float(slower * math.exp(1.5 * width) * 2**wrong)


def seen(configuration: Configuration, classes: Sequence[str] = CLASSES) -> Observation:
    figures = {
        name: {"accuracy": validated(accuracy(configuration)), "latency_p95_ms": measured(latency(configuration, name))}
        for name in classes
    }
    values = {"accuracy": validated(accuracy(configuration))}
    return Observation(configuration, values, 9, TrialState.COMPLETED, classes=figures)


def drawn(count: int, seed: int) -> list[Configuration]:
    rng = np.random.default_rng(seed)
    return [CUBE.configuration(rng.random(CUBE.latents)) for _ in range(count)]


def goals(
    *, bounds: tuple[Bound, ...] = (), classes: tuple[str, ...] = CLASSES, weights: Mapping[str, float] | None = None
) -> Goals:
    weighted = None if weights is None else Weighted(weights)
    return Goals((ACCURACY, LATENCY), weighted, SPACE.reference(), classes, bounds)


def believed(observations: Sequence[Observation], wanted: Goals, *, shapes: Shapes | None = None) -> Belief:
    belief = belief_of(CUBE, wanted, observations, np.random.default_rng(0), shapes=shapes)
    assert belief is not None
    return belief


class Measured:
    """Figures by width and threads, which are all that a shape depends on here."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._figures = {self.shape(entry.configuration): entry.classes for entry in observations}

    def known(self, configuration: Configuration) -> Mapping[str, Mapping[str, Measurement]]:
        found = self._figures.get(self.shape(configuration), {})
        return {name: {m: v for m, v in entry.items() if m != "accuracy"} for name, entry in found.items()}

    def shape(self, configuration: Configuration) -> tuple[Value, Value]:
        return configuration.tune["width"], configuration.deploy["threads"]


def test_each_class_finds_its_own_front() -> None:
    known: list[Observation] = []
    while len(known) < 36:
        sampler = BayesSampler(SPACE, goals(), seed=3, variants=1)
        sampler.observe(known, [])
        known += [seen(suggestion.configurations[0]) for suggestion in sampler.suggest(3)]
    late = [entry.configuration for entry in known[15:]]
    # Two threads are best nowhere, and the mean over the classes does not tell one from two from four.
    assert sum(entry.deploy["threads"] == 2 for entry in late) <= 3
    for name in CLASSES:
        fast = [entry for entry in late if entry.deploy["threads"] == FASTEST[name]]
        assert np.ptp([number(entry.tune["width"]) for entry in fast]) > 0.8
        assert np.median([abs(number(entry.tune["rate"]) - 0.6) for entry in fast]) < 0.1


def errors(observations: Sequence[Observation], device_class: str) -> Array:
    """Of the predicted latencies, as shares of the true ones."""
    asked = drawn(200, seed=8)
    belief = believed(observations, goals())
    told = predicted(belief, CUBE.encode(asked))
    truth = np.array([latency(entry, device_class) for entry in asked])
    result: Array = np.abs(np.array([entry[f"{device_class}/latency_p95_ms"][0] for entry in told]) / truth - 1)
    return result


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_class_that_was_measured_on_three_trials_is_predicted_from_the_others(seed: int) -> None:
    spread = drawn(30, seed=seed)
    one_of_each = [next(entry for entry in spread if entry.deploy["threads"] == threads) for threads in (1, 2, 4)]
    leading = [seen(entry, CLASSES if entry in one_of_each else ("gateway",)) for entry in spread]
    alone = [seen(entry, ("server",)) for entry in one_of_each]
    assert np.median(errors(leading, "server")) < 0.1
    assert np.median(errors(alone, "server")) > 0.3


def test_a_class_that_was_never_measured_is_taken_to_be_like_the_others_and_in_doubt() -> None:
    belief = believed([seen(entry, ("gateway",)) for entry in drawn(20, seed=1)], goals())
    (told,) = predicted(belief, CUBE.encode([at(0.5, 0.5, 2)]))
    gateway, server = told["gateway/latency_p95_ms"], told["server/latency_p95_ms"]
    assert server[0] == pytest.approx(gateway[0])
    assert server[1] > 0.9 * server[0] > 5 * gateway[1]


def test_classes_that_have_nothing_in_common_do_not_mislead_each_other() -> None:
    rng = np.random.default_rng(4)
    strange = []
    for index, entry in enumerate(drawn(40, seed=1)):
        noise = {"latency_p95_ms": measured(math.exp(rng.standard_normal()))}
        own = seen(entry, ("server",) if index < 28 else ())
        strange.append(replace(own, classes={**own.classes, "gateway": noise}))
    assert np.median(errors(strange, "server")) < 0.1


def test_predictions_are_told_in_the_metrics_own_units() -> None:
    configuration = at(0.4, 0.3, 1)
    belief = believed([seen(entry) for entry in drawn(40, seed=1)], goals())
    (told,) = predicted(belief, CUBE.encode([configuration]))
    assert set(told) == {"accuracy", "gateway/latency_p95_ms", "server/latency_p95_ms"}
    assert told["accuracy"][0] == pytest.approx(accuracy(configuration), abs=0.01)
    for name in CLASSES:
        mean, spread = told[f"{name}/latency_p95_ms"]
        assert mean == pytest.approx(latency(configuration, name), rel=0.05)
        assert 0 < spread < 0.2 * mean


def test_what_was_measured_of_a_shape_is_known_of_every_trial_of_that_shape() -> None:
    observations = [seen(entry) for entry in drawn(12, seed=1)]
    lone = at(0.1, 0.987654, 2)
    failed = Observation(lone, {}, 0, TrialState.FAILED, classes=seen(lone).classes)
    belief = believed(observations, goals(), shapes=Measured([*observations, failed]))
    same, other = predicted(belief, CUBE.encode([at(0.9, 0.987654, 2), at(0.9, 0.987653, 2)]))
    for name in CLASSES:
        label = f"{name}/latency_p95_ms"
        assert same[label] == pytest.approx((latency(lone, name), 0.0))
        assert other[label][1] > 0
    assert same["accuracy"][1] > 0


def test_a_shape_that_broke_a_constraint_is_not_tried_again() -> None:
    """Its neighbours keep the bound easily, so nothing but the measurement speaks against it."""
    observations = [seen(entry) for entry in drawn(25, seed=1)]
    broken = at(0.1, 0.25, 1)
    slow = {name: {"latency_p95_ms": measured(1000.0)} for name in CLASSES}
    stopped = Observation(broken, {}, 0, TrialState.INFEASIBLE, classes=slow, refused_by=CLASSES)
    wanted = goals(bounds=(Bound("latency_p95_ms", 100.0, upper=True),))
    asked = CUBE.encode([at(0.6, 0.25, 1)])
    unknown = believed(observations, wanted)
    known = believed(observations, wanted, shapes=Measured([*observations, stopped]))
    assert log_feasible(unknown, asked)[0] > -0.1
    assert log_feasible(known, asked)[0] < -1000
    assert acquisition(known, extend=True)(asked)[0] < acquisition(unknown, extend=True)(asked)[0] - 1000


def test_one_class_that_refuses_leaves_the_promise_of_the_other() -> None:
    observations = [seen(entry) for entry in drawn(25, seed=1)]
    only_server = believed(observations, goals(bounds=(Bound("latency_p95_ms", 4.9, upper=True),)))
    neither = believed(observations, goals(bounds=(Bound("latency_p95_ms", 0.1, upper=True),)))
    asked = CUBE.encode([at(0.6, 0.3, 4)])
    refused = only_server.log_feasible(only_server.predict(asked))[0]
    assert refused[0] < -2 < -0.01 < refused[1]
    assert acquisition(neither, extend=True)(asked)[0] < acquisition(only_server, extend=True)(asked)[0] - 5


def test_a_weighted_sum_is_one_goal_of_each_class() -> None:
    wanted = goals(weights={"accuracy": 0.5, "latency_p95_ms": 0.5})
    observations = [seen(entry) for entry in [SPACE.reference(), *drawn(30, seed=1)]]
    belief = believed(observations, wanted)
    asked = [at(0.6, 0.05, 1), at(0.6, 0.05, 4)]
    found = belief.predict(CUBE.encode(asked))
    for entry in belief.surrogate.classes:
        name = entry.outcomes.device_class
        reference = latency(SPACE.reference(), name)
        expected = [0.5 * accuracy(one) - 0.5 * latency(one, name) / reference for one in asked]
        mean, deviation = entry.outcomes.goals_of(found.mean, found.deviation)
        assert mean[:, 0].tolist() == pytest.approx(expected, abs=0.03)
        assert (deviation < 0.1).all()


def test_many_objectives_of_several_classes_are_searched_as_one_sum_each() -> None:
    extra = tuple(Objective(f"f{index}", Direction.MINIMIZE) for index in range(4))
    observations = [
        replace(entry, values={**entry.values, **{name.metric: measured(1.0 + index) for name in extra}})
        for index, entry in enumerate(map(seen, drawn(20, seed=1)))
    ]
    bounds = (Bound("latency_p95_ms", 4.9, upper=True),)
    wanted = Goals((ACCURACY, LATENCY, *extra), None, SPACE.reference(), CLASSES, bounds)
    belief = believed(observations, wanted, shapes=Measured(observations))
    assert {column.label for column in belief.columns if column.metric in ("accuracy", "latency_p95_ms")} == {
        "gateway/latency_p95_ms",
        "server/latency_p95_ms",
    }
    asked = CUBE.encode([at(0.6, 0.3, 4)])
    refused = belief.log_feasible(belief.predict(asked))[0]
    assert refused[0] < -2 < -0.01 < refused[1]
    assert np.isfinite(acquisition(belief, extend=True)(asked)).all()


def test_the_order_of_trials_does_not_matter() -> None:
    observations = [seen(entry, CLASSES if index % 3 else CLASSES[:1]) for index, entry in enumerate(drawn(24, seed=1))]
    wanted = goals(bounds=(Bound("latency_p95_ms", 20.0, upper=True),))
    told = []
    for known in (observations, observations[::-1], observations):
        sampler = BayesSampler(SPACE, wanted, seed=3, variants=2, shapes=Measured(observations))
        sampler.observe(known, [])
        told.append(sampler.suggest(2))
    assert told[0] == told[1] == told[2]
