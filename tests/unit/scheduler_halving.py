"""Which TUNE goes on, and which is given up, as laws of the rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from autoglm_coordinator.scheduler.api import Decision, Stand, Standing
from autoglm_coordinator.scheduler.halving import RISK, Halving, load_scheduler
from autoglm_coordinator.scheduler.prediction import predict, student_above
from autoglm_coordinator.scheduler.ranking import best_first, ranks_of
from autoglm_core.objective import Direction, Objective
from support.search_trials import ACCURACY, ENERGY, LATENCY, searched_study, validated

RUNGS = (1, 3, 9)
LOSS = Objective("loss", Direction.MINIMIZE)
BY_ACCURACY = Halving(RUNGS, (ACCURACY,), ())
BY_BOTH = Halving(RUNGS, (ACCURACY,), (LATENCY,))


def standing(
    number: int,
    *accuracies: float,
    latency: float | None = None,
    stand: Stand = Stand.PAUSED,
    error: float = 0.01,
) -> Standing:
    """TUNE `number` with its accuracy at each rung that it reached; it has finished with the last one."""
    rungs = {rung: {"accuracy": validated(value, error)} for rung, value in zip(RUNGS, accuracies, strict=False)}
    costs = {} if latency is None else {"latency_p95_ms": latency}
    ended = len(accuracies) == len(RUNGS)
    points = {"one-core": [{"accuracy": accuracies[-1], **costs}]} if ended else {}
    return Standing(
        f"t{number}", number, Stand.FINISHED if ended else stand, rungs, costs={"one-core": costs}, points=points
    )


def finished(count: int, *, latency: float | None = None) -> list[Standing]:
    """TUNEs that ended where they stood at the first rung, give or take a little."""
    draw = Random(3)  # noqa: S311  made-up curves
    rows = []
    for number in range(101, 101 + count):
        first = 0.8 + draw.uniform(0.0, 0.1)
        rows.append(
            standing(number, first, first + draw.gauss(0, 0.002), first + draw.gauss(0, 0.004), latency=latency)
        )
    return rows


def stopped(decision: Decision) -> set[str]:
    return {stop.tune for stop in decision.stops}


def test_nothing_goes_on_before_a_rung_holds_three() -> None:
    two = [standing(1, 0.9), standing(2, 0.8)]
    assert BY_ACCURACY.decide(two) == Decision((), None)
    assert BY_ACCURACY.decide([*two, standing(3, 0.7)]).next == "t1"


def test_the_highest_rung_comes_first_and_an_end_before_all() -> None:
    low = [standing(number, 0.5 + number / 100) for number in range(1, 7)]
    middle = [standing(number, 0.9, 0.7 + number / 100) for number in range(11, 14)]
    assert BY_ACCURACY.decide([*low, *middle]).next == "t13"
    at_the_end = replace(standing(20, 0.1, 0.1, 0.1), stand=Stand.PAUSED, points={})
    assert BY_ACCURACY.decide([*low, *middle, at_the_end]).next == "t20"


def test_what_waits_for_its_first_rung_begins_in_order_where_none_is_to_go_on() -> None:
    assert BY_ACCURACY.decide([standing(2), standing(1), standing(3, 0.9)]).next == "t1"


def test_ties_go_to_the_earlier_tune_and_the_order_given_means_nothing() -> None:
    entries = [standing(number, 0.9) for number in range(1, 10)]
    for seed in range(20):
        Random(seed).shuffle(entries)  # noqa: S311  an order, no secret
        assert BY_ACCURACY.decide(entries).next == "t1"


def test_a_straggler_holds_up_itself_alone() -> None:
    lost = standing(1, 0.99, stand=Stand.RUNNING)
    others = [standing(number, 0.5 + number / 100) for number in range(2, 7)]
    assert BY_ACCURACY.decide([lost, *others]).next == "t6", "second best of six"
    assert BY_ACCURACY.decide([lost, *others, standing(9)], closing=True).next == "t6"
    assert BY_ACCURACY.decide([lost], closing=True) == Decision((), None)


def test_a_cheap_one_with_low_accuracy_goes_on_beside_the_best() -> None:
    slow = [standing(number, 0.90 + number / 1000, latency=2.0) for number in range(1, 6)]
    decided = [standing(6, 0.6, latency=0.5), *slow]
    first = BY_BOTH.decide(decided).next
    second = BY_BOTH.decide(
        [
            replace(entry, rungs={**entry.rungs, 3: entry.rungs[1]}) if entry.tune == first else entry
            for entry in decided
        ]
    ).next
    assert {first, second} == {"t5", "t6"}


def test_a_hopeless_one_is_stopped_and_a_promising_one_is_not() -> None:
    bad, good = standing(1, 0.3), standing(2, 0.95)
    decision = BY_ACCURACY.decide([*finished(8), bad, good])
    assert stopped(decision) == {"t1"}
    assert decision.stops[0].chance < RISK


def test_before_any_has_finished_nothing_is_hopeless() -> None:
    paused = [standing(number, value) for number, value in enumerate((0.1, 0.9, 0.92, 0.95, 0.97), 1)]
    assert stopped(BY_ACCURACY.decide(paused)) == set()


def test_one_end_is_no_reason_to_stop_what_was_close_to_it() -> None:
    assert stopped(BY_ACCURACY.decide([standing(1, 0.8, 0.85, 0.9), standing(2, 0.7), standing(3, 0.9)])) == set()


def test_the_cheapest_is_never_stopped_for_its_accuracy() -> None:
    rivals = finished(12, latency=2.0)
    assert stopped(BY_BOTH.decide([*rivals, standing(1, 0.1, latency=1.9)])) == set()
    assert stopped(BY_BOTH.decide([*rivals, standing(1, 0.1, latency=2.0)])) == {"t1"}


def test_what_is_cheapest_on_one_device_class_alone_stays() -> None:
    def on_both(entry: Standing, other: float) -> Standing:
        costs = {**entry.costs, "two-core": {"latency_p95_ms": other}}
        points = {"two-core": [{**point, "latency_p95_ms": other} for point in entry.points.get("one-core", ())]}
        return replace(entry, costs=costs, points={**entry.points, **points} if entry.points else {})

    rivals = [on_both(entry, 2.0) for entry in finished(12, latency=2.0)]
    slow = standing(1, 0.1, latency=3.0)
    assert stopped(BY_BOTH.decide([*rivals, on_both(slow, 3.0)])) == {"t1"}
    assert stopped(BY_BOTH.decide([*rivals, on_both(slow, 1.0)])) == set()


def test_a_cost_that_is_not_known_speaks_for_the_tune() -> None:
    assert stopped(BY_BOTH.decide([*finished(12, latency=2.0), standing(1, 0.1)])) == set()
    assert stopped(BY_BOTH.decide([*finished(12), standing(1, 0.1, latency=2.0)])) == set()


def test_a_rung_that_tells_nothing_stops_nobody() -> None:
    draw = Random(5)  # noqa: S311  made-up curves
    ends = [standing(number, draw.random(), draw.random(), draw.uniform(0.8, 0.9)) for number in range(101, 113)]
    assert stopped(BY_ACCURACY.decide([*ends, standing(1, 0.05)])) == set()


def test_the_risk_is_kept_over_many_made_up_studies() -> None:
    wrong = total = 0
    for seed in range(300):
        draw = Random(seed)  # noqa: S311  made-up curves
        quality = [draw.gauss(0.8, 0.05) for _ in range(12)]
        curves = [(value + draw.gauss(0, 0.04), value + draw.gauss(0, 0.02), value) for value in quality]
        best = max(range(6), key=lambda index: quality[index])
        standings = [standing(number, *curve, error=0.0) for number, curve in enumerate(curves[:6])]
        standings += [standing(number, curve[0], error=0.0) for number, curve in enumerate(curves[6:], 6)]
        for stop in BY_ACCURACY.decide(standings).stops:
            total += 1
            wrong += quality[int(stop.tune[1:])] > quality[best]
    assert total > 100
    assert wrong / total <= 0.05


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number_is_ranked_last_and_breaks_nothing(value: float) -> None:
    rows = [standing(number, 0.5 + number / 100) for number in range(1, 6)]
    by_loss = Halving(RUNGS, (LOSS,), ())
    losses = [replace(row, rungs={1: {"loss": validated(1 - row.rungs[1]["accuracy"].mean)}}) for row in rows]
    diverged = replace(rows[0], tune="bad", number=0, rungs={1: {"loss": validated(value)}})
    assert by_loss.decide([diverged, *losses]).next == "t5"
    assert by_loss.decide([diverged], closing=True).next == "bad"


def test_one_constant_objective_lets_the_others_decide() -> None:
    same = Halving(RUNGS, (ACCURACY, LOSS), ())

    def both(entry: Standing) -> Standing:
        rungs = {rung: {**metrics, "loss": validated(1.0, 0.0)} for rung, metrics in entry.rungs.items()}
        points = {name: [{**point, "loss": 1.0} for point in group] for name, group in entry.points.items()}
        return replace(entry, rungs=rungs, points=points)

    decision = same.decide([both(entry) for entry in [*finished(8), standing(1, 0.3), standing(2, 0.95)]])
    assert stopped(decision) == {"t1"}
    constant = [standing(number, 0.1, 0.1, 0.1, error=0.0) for number in range(101, 105)]
    assert stopped(BY_ACCURACY.decide([*constant, standing(1, 0.1, error=0.0)])) == {"t1"}, "a copy adds nothing"


def test_fifty_objectives_promote_and_stop_nobody_wrongly() -> None:
    metrics = tuple(Objective(f"m{index}", Direction.MAXIMIZE) for index in range(50))
    draw = np.random.default_rng(1)
    standings = []
    for number in range(1, 13):
        rungs = {
            rung: {m.metric: validated(v) for m, v in zip(metrics, draw.random(50), strict=True)} for rung in RUNGS
        }
        ended = number <= 6
        point = {metric: measured.mean for metric, measured in rungs[9].items()}
        stand, reached = (Stand.FINISHED, rungs) if ended else (Stand.PAUSED, {1: rungs[1]})
        points = {"any": [point]} if ended else {}
        standings.append(Standing(f"t{number}", number, stand, reached, costs={"any": {}}, points=points))
    decision = Halving(RUNGS, metrics, ()).decide(standings, closing=True)
    assert decision.stops == ()
    assert decision.next is not None


@pytest.mark.parametrize("stand", [Stand.FAILED, Stand.STOPPED])
def test_where_all_failed_there_is_nothing_to_do(stand: Stand) -> None:
    gone = [standing(number, 0.5, stand=stand) for number in range(1, 5)]
    assert BY_ACCURACY.decide(gone, closing=True) == Decision((), None)


def test_a_single_tune_goes_on_when_the_study_closes() -> None:
    assert BY_ACCURACY.decide([standing(1, 0.5)]).next is None
    assert BY_ACCURACY.decide([standing(1, 0.5)], closing=True).next == "t1"


def test_what_cannot_end_in_time_does_not_go_on() -> None:
    standings = [standing(1, 0.9), standing(2, 0.9, 0.5), standing(3)]
    assert BY_ACCURACY.decide(standings, closing=True, rounds_left=5).next is None
    assert BY_ACCURACY.decide(standings, closing=True, rounds_left=6).next == "t2", "six rounds from its end"
    assert BY_ACCURACY.decide(standings[:1], closing=True, rounds_left=7).next is None


def test_closing_takes_the_most_promising_first() -> None:
    paused = [standing(1, 0.4), standing(2, 0.6), standing(3, 0.5), standing(4)]
    assert BY_ACCURACY.decide(paused, closing=True).next == "t2"


def test_the_rule_follows_from_the_study() -> None:
    study = searched_study(objectives=(ACCURACY, LATENCY, ENERGY))
    assert load_scheduler(study, ("accuracy", "loss")) == Halving(study.rungs, (ACCURACY,), (LATENCY, ENERGY))


def test_rank_comes_before_crowding_and_ends_before_the_middle() -> None:
    front: Sequence[tuple[float, float]] = ((0.0, 1.0), (0.5, 0.5), (0.55, 0.45), (1.0, 0.0))
    order = best_first(np.array([*front, (2.0, 2.0)]))
    assert set(order[:2]) == {0, 3}
    assert order[4] == 4
    assert ranks_of(np.array([[0.0, math.nan], [0.0, 1.0], [1.0, 1.0]])).tolist() == [1, 0, 1]


TAILS: Mapping[int, float] = {1: 6.314, 2: 2.920, 5: 2.015, 10: 1.812, 30: 1.697, 60: 1.671}
"""One-sided 5 % points of Student's t as every table has them."""


@pytest.mark.parametrize("degrees", TAILS)
def test_the_tails_are_those_of_the_tables(degrees: int) -> None:
    both = student_above(np.array([TAILS[degrees], -TAILS[degrees]]), degrees)
    assert both == pytest.approx([0.05, 0.95], abs=1e-4)


def test_a_prediction_learns_the_slope_and_widens_where_nothing_was_seen() -> None:
    at_rung = np.linspace(0.5, 0.6, 12)[:, None]
    ends = 0.3 + at_rung[:, 0]
    near, far = (predict(np.array([v]), finished=at_rung, ends=ends, spread=0.005) for v in (0.55, 0.1))
    assert near.mean == pytest.approx(0.85, abs=0.002)
    assert far.scale > 3 * near.scale
