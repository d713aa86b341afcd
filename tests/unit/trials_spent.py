"""What a study spent, and when what is left to gain ends it."""

from __future__ import annotations

import pytest

from autoglm_coordinator.sampler.api import Outlook
from autoglm_coordinator.trials.room import room_left
from autoglm_coordinator.trials.spent import Cost, too_little_to_gain, tune_costs
from autoglm_core.budget import Budget
from autoglm_core.configuration import Configuration
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState


def outlook(percent: float, seconds: float | None = 3600.0) -> Outlook:
    """A gain of so many percent."""
    return Outlook(percent / 100, seconds)


@pytest.mark.parametrize(
    ("outlooks", "ends"),
    [
        ([], False),
        ([outlook(0.1)], False),
        ([outlook(0.1), outlook(0.4)], True),
        ([outlook(0.1), outlook(0.6)], False),
        ([outlook(0.6), outlook(0.1)], False),
        ([outlook(0.1), None], False),
        ([None, outlook(0.1)], False),
        ([outlook(0.1), outlook(0.1), outlook(3.0), outlook(0.1)], False),
        ([outlook(0.1, 7200.0), outlook(0.9, 7200.0)], True),
        ([outlook(0.1, 600.0), outlook(0.1, 600.0)], False),
        ([outlook(0.0, 600.0), outlook(0.0, 600.0)], True),
        ([outlook(0.1, None), outlook(0.1, None)], False),
        ([outlook(0.1, 0.0), outlook(0.1, 0.0)], False),
    ],
    ids=str,
)
def test_two_proposals_in_a_row_must_promise_too_little(outlooks: list[Outlook | None], ends: bool) -> None:
    assert too_little_to_gain(Budget(trials=9, gain=0.5), outlooks) is ends
    assert not too_little_to_gain(Budget(trials=9), outlooks)


def trial(number: int, rate: float, *stages: StageRecord, state: TrialState = TrialState.COMPLETED) -> Trial:
    """One variant of the TUNE of `rate`."""
    return Trial(number, Configuration({"rate": rate}, {"prune": number / 10}), state, stages)


def stage(
    name: StageName,
    key: str,
    seconds: float,
    *,
    cached: bool = False,
    moved: int = 0,
    rounds: int = 0,
    joules: float = 0.0,
) -> StageRecord:
    """A record."""
    cost = TrainingCost(modelled=joules)
    return StageRecord(name, key, cached, seconds, rounds=rounds, bytes=moved, cost=cost)


def test_a_tune_costs_what_it_took_with_all_its_variants_and_is_counted_once() -> None:
    tune = stage(StageName.TUNE, "a", 10.0, moved=700, joules=50.0)
    again = stage(StageName.TUNE, "a", 0.1, cached=True, moved=700)
    trials = [
        trial(1, 0.1, stage(StageName.PROBE, "p1", 1.0), tune, stage(StageName.EVALUATE, "e1", 2.0)),
        trial(2, 0.1, stage(StageName.PROBE, "p2", 1.0), tune, stage(StageName.EVALUATE, "e2", 2.0)),
        trial(3, 0.2, stage(StageName.PROBE, "p3", 1.0), state=TrialState.INFEASIBLE),
        trial(4, 0.3, stage(StageName.TUNE, "b", 30.0, moved=900), state=TrialState.RUNNING),
        trial(5, 0.4, stage(StageName.PROBE, "p5", 1.0), again),
    ]
    assert tune_costs(trials) == [Cost(16.0, 700, 50.0)]


def test_room_for_rounds_leaves_room_for_what_their_evaluation_moves() -> None:
    """Two TUNEs of 10 rounds moved 2000 bytes, and their evaluations 1000 more."""
    tunes = [stage(StageName.TUNE, key, 1.0, moved=1000, rounds=10) for key in "ab"]
    trials = [trial(number, number / 10, tune) for number, tune in enumerate(tunes, 1)]
    budget = Budget(trials=9, bytes=10_000)
    assert room_left(budget, Cost(1.0, 3000), trials).rounds == (7000 - 500) / 100
    assert room_left(budget, Cost(1.0, 3000), trials).limit_of((10,)) == ""
    assert room_left(budget, Cost(1.0, 8600), trials).limit_of((10,)) == "bytes"
    assert room_left(Budget(trials=9), Cost(1.0, 8600), trials).limit_of((10,)) == ""
