"""What the Bayesian sampler learns of costs, and how they change which TUNE is suggested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.costs import Costs, costs_of
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.pricing import cooling
from autoglm_core.configuration import Configuration, Values
from autoglm_core.study import Budget
from autoglm_core.trial import Observation, TrialCost, TrialState
from support.search_costs import SPACE, known, number, suggest


def costs(observations: Sequence[Observation], budget: Budget | None = None) -> Costs:
    learned = costs_of(UnitCube(SPACE), observations, budget)
    assert learned is not None
    return learned


def at(x0: float, x1: float = 0.5, d0: float = 0.5, d1: float = 0.5) -> np.ndarray:
    return UnitCube(SPACE).encode([Configuration({"x0": x0, "x1": x1}, {"d0": d0, "d1": d1})])


def wide(tune: Values) -> float:
    """A TUNE of 4 to 40 seconds."""
    return float(4 * 10 ** number(tune["x0"]))


def test_a_tune_is_predicted_from_its_tune_and_a_variant_from_everything() -> None:
    learned = costs(known(20, tune_seconds=wide, variant_seconds=lambda deploy: 0.1 + number(deploy["d0"])))
    assert learned.of_tune(at(0.2))[0] == pytest.approx(wide({"x0": 0.2}), rel=0.1)
    assert learned.of_tune(at(0.9, d0=0.1))[0] == learned.of_tune(at(0.9, d0=0.9))[0]
    assert learned.of_variant(at(0.5, d0=0.8))[0] == pytest.approx(0.9, rel=0.15)


def test_of_few_tunes_the_median_is_told() -> None:
    learned = costs(known(3, tune_seconds=wide))
    seconds = sorted(entry.cost.tune_seconds for entry in known(3, tune_seconds=wide)[::2] if entry.cost)
    assert learned.of_tune(at(0.1))[0] == learned.of_tune(at(0.9))[0] == seconds[1]


def test_nothing_is_known_of_costs_that_nobody_reported() -> None:
    assert costs_of(UnitCube(SPACE), [replace(entry, cost=None) for entry in known(6)], None) is None
    assert costs_of(UnitCube(SPACE), [], None) is None


def test_a_stopped_tune_tells_its_seconds_per_round() -> None:
    whole = known(8)
    stopped = [
        replace(entry, state=TrialState.STOPPED, fidelity=3, cost=TrialCost(10 / 3, 0.1, 0))
        for entry in known(8, seed=2)
    ]
    assert costs([*whole, *stopped]).of_tune(at(0.5))[0] == pytest.approx(10.0)


def test_predicted_seconds_add_up_to_what_was_spent() -> None:
    """Whatever makes some variants take ten times as long as others: the median would forget it."""
    noise = np.random.default_rng(3).lognormal(0.0, 1.0, 50)
    spent = [
        replace(entry, cost=TrialCost(10.0, float(seconds), 0))
        for entry, seconds in zip(known(10, each=5), noise, strict=True)
    ]
    predicted = costs(spent).of_variant(UnitCube(SPACE).encode([entry.configuration for entry in spent]))
    assert predicted.sum() == pytest.approx(noise.sum(), rel=0.02)


def test_bytes_count_where_they_are_limited() -> None:
    spent = known(6, tune_bytes=5_000_000)
    assert costs(spent, Budget(100)).of_tune(at(0.5))[0] == pytest.approx(10.0)
    both = Budget(100, wall=timedelta(seconds=1000), bytes=100_000_000)
    assert costs(spent, both).of_tune(at(0.5))[0] == pytest.approx(10.0 + 50.0)
    assert costs(spent, Budget(100, bytes=100_000_000)).of_tune(at(0.5))[0] == pytest.approx(20.0)
    assert costs(spent, both).seconds(at(0.5))[0] == pytest.approx(10.2)


def test_joules_are_predicted_and_count_where_they_are_limited() -> None:
    spent = known(12, tune_joules=lambda tune: 100.0 * wide(tune))
    assert costs(spent, Budget(100, bytes=10**9)).joules(at(0.5)) is None
    both = costs(spent, Budget(100, wall=timedelta(seconds=1000), energy=200_000))
    joules = both.joules(at(0.2))
    assert joules is not None and joules[0] == pytest.approx(100 * wide({"x0": 0.2}), rel=0.1)
    assert both.of_tune(at(0.2))[0] == pytest.approx(10.0 + joules[0] / 200)
    assert both.seconds(at(0.2))[0] == pytest.approx(10.2), "what it takes is what it takes"


def test_where_joules_are_scarce_the_search_goes_where_they_are_few_and_says_how_many() -> None:
    hot_left = known(14, tune_joules=lambda tune: 3000.0 if number(tune["x0"]) < 0.6 else 3.0)

    def asked(energy: int | None = None) -> list[Suggestion]:
        return suggest(hot_left, variants=1, n=8, budget=Budget(10_000, energy=energy))

    def share_on_the_left(suggestions: list[Suggestion]) -> float:
        return float(np.mean([number(entry.tune["x0"]) < 0.6 for entry in suggestions]))

    free, scarce = asked(), asked(energy=10**9)
    assert share_on_the_left(scarce) <= 0.25 < share_on_the_left(free)
    assert all(entry.reasons[0].joules is None for entry in free)
    told = [entry.reasons[0].joules for entry in scarce]
    assert all(joules is not None and 0 < joules < 3000 for joules in told), told


@pytest.mark.parametrize("variants", [1, 3])
def test_where_all_trials_cost_the_same_the_search_is_the_one_without_costs(variants: int) -> None:
    same = known(14)
    free = [replace(entry, cost=None) for entry in same]
    assert [entry.configurations for entry in suggest(same, variants=variants, n=3)] == [
        entry.configurations for entry in suggest(free, variants=variants, n=3)
    ]


def test_a_tune_that_promises_no_more_for_ten_times_the_cost_is_left_until_little_budget_is_left() -> None:
    dear_left = known(14, tune_seconds=lambda tune: 300.0 if number(tune["x0"]) < 0.6 else 3.0)

    def share_on_the_left(trials: int) -> float:
        asked = suggest(dear_left, variants=1, n=8, budget=Budget(trials))
        return float(np.mean([number(entry.tune["x0"]) < 0.6 for entry in asked]))

    assert share_on_the_left(10_000) <= 0.25
    assert share_on_the_left(28) >= 0.5
    free = [replace(entry, cost=None) for entry in dear_left]
    assert [entry.tune for entry in suggest(dear_left, variants=1, budget=Budget(28))] == [
        entry.tune for entry in suggest(free, variants=1)
    ]


def test_the_weight_of_costs_falls_with_the_budget() -> None:
    spent = known(10, each=2, tune_bytes=1_000_000)
    assert cooling(None, spent, known=20) == 1.0
    assert cooling(Budget(80), spent, known=20) == pytest.approx(0.75)
    assert cooling(Budget(80, wall=timedelta(seconds=208)), spent, known=20) == pytest.approx(0.5)
    assert cooling(Budget(80, bytes=20_000_000), spent, known=20) == pytest.approx(0.5)
    warm = known(10, each=2, tune_joules=lambda tune: 50.0)
    assert cooling(Budget(80, energy=1000), warm, known=20) == pytest.approx(0.5)
    assert cooling(Budget(10), spent, known=20) == 0.0


def test_the_order_of_observations_does_not_matter_for_costs() -> None:
    observations = known(14, tune_seconds=wide, variant_seconds=lambda deploy: 0.1 + number(deploy["d0"]))
    assert suggest(observations, n=3) == suggest(observations[::-1], n=3)
