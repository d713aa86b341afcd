"""How TUNEs stand, as the store and its trials say."""

from __future__ import annotations

from dataclasses import replace

from autoglm_coordinator.trials.standings import lowest_costs, tune_groups
from autoglm_core.configuration import Configuration
from autoglm_core.objective import Direction, Objective
from autoglm_core.trial import Trial, TrialState
from support.search_trials import ACCURACY, LATENCY, measured, validated

SIZE = Objective("size_mb", Direction.MAXIMIZE)


def variant(number: int, **latencies: float) -> Trial:
    figures = {
        name.replace("_", "-"): {"latency_p95_ms": measured(value), "size_mb": measured(value)}
        for name, value in latencies.items()
    }
    return Trial(number, Configuration({"rate": 1}, {"number": number}), TrialState.RUNNING, measurements=figures)


def test_costs_are_the_best_over_the_variants_of_a_tune_in_each_class() -> None:
    group = [variant(1, one_core=2.0, two_core=3.0), variant(2, one_core=1.0, two_core=4.0)]
    assert lowest_costs([ACCURACY, LATENCY, SIZE], group) == {
        "one-core": {"latency_p95_ms": 1.0, "size_mb": 2.0},
        "two-core": {"latency_p95_ms": 3.0, "size_mb": 4.0},
    }


def test_a_class_that_refuses_a_variant_does_not_know_its_costs() -> None:
    refused = replace(variant(1, one_core=1.0, two_core=1.0), refused_by=("two-core",))
    assert set(lowest_costs([LATENCY], [refused])) == {"one-core"}
    both = lowest_costs([LATENCY], [refused, variant(2, one_core=2.0, two_core=2.0)])
    assert both["two-core"] == {"latency_p95_ms": 2.0}


def test_what_validation_says_is_no_cost() -> None:
    trial = variant(1, one_core=1.0)
    scored = replace(trial, measurements={"one-core": {**trial.measurements["one-core"], "accuracy": validated(0.9)}})
    assert lowest_costs([ACCURACY, LATENCY], [scored]) == {"one-core": {"latency_p95_ms": 1.0}}


def test_trials_with_one_tune_are_one_group() -> None:
    other = Trial(3, Configuration({"rate": 2}, {}))
    assert [[entry.number for entry in group] for group in tune_groups([variant(1), other, variant(2)])] == [
        [1, 2],
        [3],
    ]
