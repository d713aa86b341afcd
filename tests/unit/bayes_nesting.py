"""How many variants of a tuned model the Bayesian sampler makes, and when it goes back to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.costs import costs_of
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.sampler import BayesSampler
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration
from autoglm_core.objective import Direction, Objective
from autoglm_core.reason import How
from autoglm_core.space import SearchSpace
from autoglm_core.trial import Observation, TrialCost, TrialState
from support.search_costs import SPACE, figures, known, number, suggest
from support.search_problems import observation


def test_before_costs_are_known_every_tune_gets_a_few_variants() -> None:
    assert [len(entry.variants) for entry in suggest([], n=3)] == [4, 4, 4]


def of_new_tunes(asked: Sequence[Suggestion], observations: Sequence[Observation]) -> list[Suggestion]:
    tuned = {entry.configuration.tune_key for entry in observations}
    return [entry for entry in asked if entry.configurations[0].tune_key not in tuned]


def test_cheap_variants_are_many_within_their_bound() -> None:
    spent = known(14, variant_seconds=lambda deploy: 0.3)
    asked = of_new_tunes(suggest(spent, n=4), spent)
    most = max(asked, key=lambda entry: len(entry.variants))
    assert len(most.variants) >= 5
    assert len({variant["d0"] for variant in most.variants}) >= 5
    for entry in asked:
        assert sum(reason.seconds or 0.0 for reason in entry.reasons[1:]) <= 0.3 * (10 + 0.3)
    spent = known(14, variant_seconds=lambda deploy: 0.001)
    assert max(len(entry.variants) for entry in of_new_tunes(suggest(spent, n=4), spent)) == 16


@pytest.mark.parametrize("tunes", [3, 14])
def test_dear_variants_are_single(tunes: int) -> None:
    asked = suggest(known(tunes, variant_seconds=lambda deploy: 5.0), n=2)
    assert [len(entry.variants) for entry in asked] == [1, 1]


def test_variants_that_promise_nothing_are_not_made() -> None:
    """Where `deploy` changes nothing, a second variant adds nothing to the front, though three would be allowed."""
    cost = TrialCost(10.0, 1.0, 0)
    flat = [replace(observation(entry.configuration, by_tune(entry)), cost=cost) for entry in known(14)]
    assert [len(entry.variants) for entry in suggest(flat, n=3)] == [1, 1, 1]


def by_tune(entry: Observation) -> dict[str, float]:
    x0, x1 = (number(entry.configuration.tune[name]) for name in ("x0", "x1"))
    return {"f0": (x0 - 0.5) ** 2 + (x1 - 0.3) ** 2, "f1": 1.0 + x0}


def test_a_tuned_model_gets_further_variants_where_these_promise_more_than_a_tune() -> None:
    """One TUNE stands at the best place with a single variant, and another TUNE takes an hour."""
    poor = known(12, tune_seconds=lambda tune: 3600.0)
    best = Configuration({"x0": 0.5, "x1": 0.3}, {"d0": 0.9, "d1": 0.9})
    cost = TrialCost(3600.0, 0.2, 0)
    good = replace(observation(best, figures(best)), cost=cost)
    (entry,) = suggest([*poor, good])
    assert entry.tune == best.tune
    assert best.deploy not in entry.variants
    (busy,) = suggest([*poor, good], pending=[replace(best, deploy={"d0": 0.1, "d1": 0.1})])
    assert busy.tune != best.tune
    (fixed,) = suggest([*poor, good], variants=2)
    assert fixed.tune != best.tune
    assert len(fixed.variants) == 2


def test_where_most_tunes_are_stopped_the_survivors_get_the_variants() -> None:
    """A variant is measured before its TUNE begins, and for nothing where that is stopped at a rung."""
    whole = known(3, each=1, variant_seconds=lambda deploy: 0.4)
    stopped = [
        replace(entry, state=TrialState.STOPPED, fidelity=1, cost=TrialCost(10 / 9, 0.3, 0))
        for entry in known(12, each=1, seed=2)
    ]
    asked = suggest([*whole, *stopped], n=4)
    survivors = {entry.configuration.tune_key for entry in whole}
    further = [entry for entry in asked if entry.configurations[0].tune_key in survivors]
    assert further
    assert max(len(entry.variants) for entry in asked if entry not in further) <= 3
    learned = costs_of(UnitCube(SPACE), [*whole, *stopped], None)
    assert learned is not None
    assert learned.reached == pytest.approx((3 + 12 / 9) / 15)


def test_a_tuned_model_never_gets_more_than_its_bound_however_often_it_is_asked() -> None:
    observations = known(12, each=1, tune_seconds=lambda tune: 100.0, variant_seconds=lambda deploy: 10.0)
    for _ in range(5):
        observations += [
            replace(observation(configuration, figures(configuration)), cost=TrialCost(100.0, 10.0, 0))
            for suggestion in suggest(observations, n=2)
            for configuration in suggestion.configurations
        ]
    counts: dict[str, int] = {}
    for entry in observations:
        counts[entry.configuration.tune_key] = counts.get(entry.configuration.tune_key, 0) + 1
    assert 1 < max(counts.values()) <= 1 + int(0.3 * 110 / 10)


def test_where_there_is_nothing_to_tune_the_model_is_asked_after_ten_trials() -> None:
    space = SearchSpace(deploy=SPACE.deploy)
    sampler = BayesSampler(space, Goals((Objective("f0", Direction.MINIMIZE),), None, space.reference()), seed=5)
    taken: list[Observation] = []
    for _ in range(14):
        sampler.observe(taken, [])
        for configuration in (suggestion := sampler.suggest(1)[0]).configurations:
            d0, d1 = (number(configuration.deploy[name]) for name in ("d0", "d1"))
            cost = TrialCost(10.0, 1.0, 0)
            figure = {"f0": (d0 - 0.2) ** 2 + (d1 - 0.7) ** 2}
            taken.append(replace(observation(configuration, figure), cost=cost))
    assert suggestion.reasons[0].how is How.MODEL
    assert min(entry.values["f0"].mean for entry in taken) < 0.01


def test_among_variants_that_promise_alike_the_cheap_ones_are_made() -> None:
    """What was measured before need not be measured again, and takes a hundredth."""
    spent = known(14, variant_seconds=lambda deploy: 0.02 if number(deploy["d1"]) < 0.5 else 2.0)
    for entry in of_new_tunes(suggest(spent, n=4), spent):
        assert all(number(variant["d1"]) < 0.55 for variant in entry.variants[1:])
    others = known(14, variant_seconds=lambda deploy: 2.0 if number(deploy["d1"]) < 0.5 else 0.02)
    cheap = [number(variant["d1"]) > 0.45 for entry in suggest(others, n=4) for variant in entry.variants]
    assert np.mean(cheap) > 0.8
