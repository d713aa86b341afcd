"""What a budget still has room for."""

from __future__ import annotations

from datetime import timedelta
from math import inf

import pytest

from autoglm_coordinator.trials.room import Room, room_left
from autoglm_coordinator.trials.spent import Cost
from autoglm_core.budget import Budget
from autoglm_core.configuration import Configuration
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState

WALL = Budget(trials=9, wall=timedelta(seconds=90))


def stage(name: StageName, key: str, seconds: float, *, rounds: int = 0, cached: bool = False) -> StageRecord:
    cost = TrainingCost(measured=30.0 * rounds, modelled=20.0 * rounds)
    return StageRecord(name, key, cached, seconds, rounds, bytes=100 * rounds, cost=cost)


def trial(number: int, *stages: StageRecord, state: TrialState = TrialState.COMPLETED) -> Trial:
    return Trial(number, Configuration({"rate": number}, {}), state, stages)


ENDED = trial(1, stage(StageName.TUNE, "a", 5.0, rounds=10), stage(StageName.EVALUATE, "e", 2.0))
PAUSED = trial(2, stage(StageName.TUNE, "b", 1.5, rounds=3), state=TrialState.RUNNING)


def test_without_a_limit_there_is_room_for_everything() -> None:
    room = room_left(Budget(trials=9), Cost(1e9, 10**12), [ENDED])
    assert room == Room()
    assert room.limit_of((3, 10)) == ""


def test_before_anything_was_run_the_whole_budget_is_room() -> None:
    assert room_left(WALL, Cost(0.0, 0), []).rounds == inf


@pytest.mark.parametrize(("seconds", "rounds"), [(40.0, 96.0), (78.0, 20.0), (86.0, 4.0)])
def test_rounds_are_those_that_time_is_left_for_beside_what_follows_a_tune(seconds: float, rounds: float) -> None:
    assert room_left(WALL, Cost(seconds, 0), [ENDED, PAUSED]).rounds == pytest.approx(rounds)


def test_a_limit_that_is_reached_leaves_no_room_at_all() -> None:
    assert room_left(WALL, Cost(90.5, 0), [ENDED]).rounds < 0


def test_what_lay_in_the_store_says_nothing_of_time() -> None:
    again = trial(3, stage(StageName.TUNE, "c", 0.001, rounds=10, cached=True))
    assert room_left(WALL, Cost(40.0, 0), [ENDED, again]) == room_left(WALL, Cost(40.0, 0), [ENDED])


def test_the_tightest_limit_counts() -> None:
    both = Budget(trials=9, wall=timedelta(seconds=90), bytes=2000)
    room = room_left(both, Cost(10.0, 500), [ENDED])
    assert (room.limit, room.rounds) == ("bytes", 15.0)


@pytest.mark.parametrize(
    ("joules", "rounds", "limit"), [(400.0, 12.0, ""), (800.0, 4.0, "energy"), (1100.0, -inf, "energy")]
)
def test_joules_that_were_measured_and_modelled_count_alike(joules: float, rounds: float, limit: str) -> None:
    """A round takes 50 J, and its evaluation none that are counted."""
    room = room_left(Budget(trials=9, energy=1000), Cost(40.0, 5000, joules), [ENDED])
    assert room.rounds == rounds
    assert room.limit_of((10,)) == limit


@pytest.mark.parametrize(("seconds", "limit"), [(40.0, ""), (59.0, ""), (61.0, "wall")])
def test_the_last_third_is_kept_for_ending_what_was_begun(seconds: float, limit: str) -> None:
    assert room_left(WALL, Cost(seconds, 0), [ENDED]).limit_of((3, 10)) == limit


def test_nothing_begins_that_could_not_end() -> None:
    assert room_left(WALL, Cost(40.0, 0), [ENDED]).limit_of((3, 96)) == ""
    assert room_left(WALL, Cost(40.0, 0), [ENDED]).limit_of((3, 97)) == "wall"


def test_where_no_tune_pauses_nothing_is_kept() -> None:
    assert room_left(WALL, Cost(80.0, 0), [ENDED]).limit_of((10,)) == ""
    assert room_left(WALL, Cost(95.0, 0), [ENDED]).limit_of((10,)) == "wall"
