"""When a TUNE is stopped at a rung, as a table."""

from __future__ import annotations

import itertools

import pytest

from autoglm_coordinator.scheduler.api import Decision, RungValue
from autoglm_coordinator.scheduler.median import MedianRule, NeverStop, load_scheduler
from autoglm_core.objective import Direction, Objective
from support.search_trials import ACCURACY, ENERGY, LATENCY, searched_study, validated

FOUR = (0.90, 0.91, 0.92, 0.93)


def at_rung(
    tune: str, accuracy: float, *, error: float = 0.01, latency: float | None = None, rung: int = 4
) -> RungValue:
    costs = {} if latency is None else {"one-core/latency_p95_ms": latency}
    return RungValue(tune, rung, {"accuracy": validated(accuracy, error)}, costs)


SINGLE = MedianRule(ACCURACY, single=True)
SEVERAL = MedianRule(ACCURACY, single=False)


@pytest.mark.parametrize(
    ("why", "own", "others", "expected"),
    [
        ("far below four", 0.70, FOUR, Decision.STOP),
        ("far below, but only three were seen", 0.70, FOUR[:3], Decision.CONTINUE),
        ("below by less than the errors", 0.895, FOUR, Decision.CONTINUE),
        ("at the median", 0.915, FOUR, Decision.CONTINUE),
        ("above all", 0.99, FOUR, Decision.CONTINUE),
        ("the first of the study", 0.10, (), Decision.CONTINUE),
    ],
)
def test_one_objective(why: str, own: float, others: tuple[float, ...], expected: Decision) -> None:
    rivals = [at_rung(f"t{index}", value) for index, value in enumerate(others)]
    assert SINGLE.decide(at_rung("own", own), rivals) is expected, why


@pytest.mark.parametrize(
    ("why", "own", "others", "expected"),
    [
        ("four that cost no more are far better", 2.0, (1.0, 1.0, 1.0, 2.0), Decision.STOP),
        ("smaller than all: it may be on the front", 0.5, (1.0, 1.0, 1.0, 2.0), Decision.CONTINUE),
        ("smaller than one of four", 2.0, (1.0, 1.0, 1.0, 3.0), Decision.CONTINUE),
        ("its costs are not known", None, (1.0, 1.0, 1.0, 1.0), Decision.CONTINUE),
        ("theirs are not known", 2.0, (None, None, None, None), Decision.CONTINUE),
    ],
)
def test_several_objectives_compare_with_what_could_dominate(
    why: str, own: float | None, others: tuple[float | None, ...], expected: Decision
) -> None:
    rivals = [at_rung(f"t{index}", 0.9, latency=latency) for index, latency in enumerate(others)]
    assert SEVERAL.decide(at_rung("own", 0.5, latency=own), rivals) is expected, why


def test_other_rungs_and_the_tune_itself_do_not_count() -> None:
    elsewhere = [at_rung(f"t{index}", value, rung=8) for index, value in enumerate(FOUR)]
    itself = [at_rung("own", value) for value in FOUR]
    assert SINGLE.decide(at_rung("own", 0.1), elsewhere + itself) is Decision.CONTINUE


def test_the_order_of_the_others_does_not_matter() -> None:
    rivals = [at_rung(f"t{index}", value) for index, value in enumerate(FOUR)]
    own = at_rung("own", 0.88)
    assert len({SINGLE.decide(own, order) for order in itertools.permutations(rivals)}) == 1


def test_fewer_validation_rows_give_more_leave() -> None:
    rivals = [at_rung(f"t{index}", value) for index, value in enumerate(FOUR)]
    assert SINGLE.decide(at_rung("own", 0.85, error=0.01), rivals) is Decision.STOP
    assert SINGLE.decide(at_rung("own", 0.85, error=0.05), rivals) is Decision.CONTINUE


def test_a_metric_that_is_minimized_stops_above() -> None:
    rule = MedianRule(Objective("accuracy", Direction.MINIMIZE), single=True)
    rivals = [at_rung(f"t{index}", value) for index, value in enumerate(FOUR)]
    assert rule.decide(at_rung("own", 0.99), rivals) is Decision.STOP
    assert rule.decide(at_rung("own", 0.50), rivals) is Decision.CONTINUE


def test_the_rule_follows_from_the_study() -> None:
    metrics = ("accuracy", "loss")
    assert load_scheduler(searched_study(), metrics) == MedianRule(ACCURACY, single=False)
    assert load_scheduler(searched_study(objectives=(ACCURACY,)), metrics) == MedianRule(ACCURACY, single=True)
    assert load_scheduler(searched_study(objectives=(LATENCY, ENERGY)), metrics) == NeverStop()


def test_a_rung_value_survives_the_store() -> None:
    value = at_rung("own", 0.5, latency=0.2)
    assert RungValue.from_json(value.to_json()) == value
