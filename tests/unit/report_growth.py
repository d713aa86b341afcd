"""How far the fronts had come after each trial, and which front each trial stands on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoglm_coordinator.report.fronts import ranks
from autoglm_coordinator.report.growth import front_growth
from autoglm_coordinator.sampler.bayes.boxes import hypervolume
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement
from autoglm_core.objective import Direction, Objective
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState
from support.search_trials import ACCURACY, LATENCY, measured, search, searched_study, validated

TWO = searched_study(objectives=(ACCURACY, LATENCY), constraints=())


def trial(number: int, accuracy: float, latency: float) -> Trial:
    figures = {"accuracy": validated(accuracy), "latency_p95_ms": measured(latency)}
    return Trial(number, TWO.reference_configuration, TrialState.COMPLETED, (), {"one-core": figures})


def shares(study: Study, trials: list[Trial], name: str = "one-core") -> dict[int, float]:
    return {step["trial"]: step["share"] for step in front_growth(study, trials)[name]["steps"]}


def test_the_volume_is_a_share_of_the_box_between_the_reference_point_and_the_best_figures() -> None:
    trials = [trial(1, 0.8, 1.0), trial(2, 0.9, 10.0), trial(3, 0.85, 20.0), trial(4, 0.9, 1.0)]
    grown = front_growth(TWO, trials)["one-core"]
    span = np.log(20.0)
    assert grown["reference"] == pytest.approx({"accuracy": 0.79, "latency_p95_ms": 20 * 20**0.1})
    # In tenths of each span above the reference point: trial 1 reaches 1 of accuracy and all 11 of latency.
    second = 1 + 10 * np.log(2.0) / span
    expected = {1: 11 / 121, 2: (11 + 10 * second) / 121, 4: 1.0}
    assert shares(TWO, trials) == pytest.approx(expected, abs=1e-6)


def test_shares_of_a_whole_search_rise_and_end_at_the_volume_of_the_front() -> None:
    study = searched_study("random")
    trials = search(study, total=48)
    for name in study.device_classes:
        grown = front_growth(study, trials)[name]
        values = [step["share"] for step in grown["steps"]]
        assert values == sorted(values) and len(set(values)) == len(values)
        good = [entry for entry in trials if entry.state is TrialState.COMPLETED]
        signs = np.array([goal.direction.sign for goal in study.objectives])

        def point(figures: dict[str, float], signs: np.ndarray = signs) -> np.ndarray:
            scaled = [figures["accuracy"], np.log(figures["latency_p95_ms"]), np.log(figures["energy_mj"])]
            return np.asarray(signs * np.array(scaled))

        points = np.array([point({m: v.mean for m, v in entry.measurements[name].items()}) for entry in good])
        reference = point(grown["reference"])
        whole = float(np.prod(points.max(axis=0) - reference))
        assert values[-1] == pytest.approx(hypervolume(points, reference) / whole, abs=1e-5)


def test_an_objective_that_never_changes_takes_no_part() -> None:
    assert shares(TWO, [trial(1, 0.9, 2.0), trial(2, 0.9, 1.0)]) == pytest.approx({1: 1 / 11, 2: 1.0}, abs=1e-6)
    assert shares(TWO, [trial(1, 0.9, 2.0)]) == {1: 1.0}


def test_a_weighted_sum_grows_as_one_figure() -> None:
    study = searched_study("random", weighted={"accuracy": 0.6, "latency_p95_ms": 0.3, "energy_mj": 0.1})
    grown = front_growth(study, search(study, total=24))["one-core"]
    assert list(grown["reference"]) == ["weighted"]
    assert grown["steps"][-1]["share"] == 1.0


def test_nothing_is_said_of_more_than_four_objectives_or_of_no_trial() -> None:
    metrics = [f"m{number}" for number in range(5)]
    many = tuple(Objective(name, Direction.MAXIMIZE) for name in metrics)
    figures: dict[str, Measurement] = {name: validated(0.5) for name in metrics}
    entry = Trial(1, Configuration({}), TrialState.COMPLETED, (), {"one-core": figures})
    assert front_growth(replace(TWO, objectives=many), [entry]) == {}
    assert front_growth(TWO, []) == {}


def test_ranks_count_the_fronts_of_each_class_from_one() -> None:
    trials = [trial(1, 0.8, 1.0), trial(2, 0.9, 10.0), trial(3, 0.85, 20.0), trial(4, 0.7, 30.0)]
    stopped = replace(trial(5, 0.99, 0.1), state=TrialState.STOPPED)
    assert ranks(TWO, [*trials, stopped]) == {
        1: {"one-core": 1},
        2: {"one-core": 1},
        3: {"one-core": 2},
        4: {"one-core": 3},
    }
