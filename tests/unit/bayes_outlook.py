"""What is left to gain, as the Bayesian sampler says it: large at first, small at the end, for what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from autoglm_coordinator.sampler.api import Outlook
from autoglm_coordinator.sampler.bayes.sampler import STARTUP, BayesSampler
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Values
from autoglm_core.objective import Direction, Objective
from autoglm_core.trial import Observation, TrialCost, TrialState
from support.search_problems import box, observation, searched

SPACE = box(2)
METRICS = ("f0", "f1")


def two(values: Values) -> dict[str, float]:
    """Two bowls."""
    a, b = (float(value) for value in values.values())
    return {"f0": (a - 0.2) ** 2 + (b - 0.2) ** 2, "f1": (a - 0.8) ** 2 + (b - 0.6) ** 2}


def outlook(known: Sequence[Observation], *, n: int = 2, metrics: Sequence[str] = METRICS) -> Outlook | None:
    goals = Goals(tuple(Objective(metric, Direction.MINIMIZE) for metric in metrics), None, SPACE.reference())
    sampler = BayesSampler(SPACE, goals, seed=5, variants=1)
    sampler.observe(known, [])
    return sampler.outlook(sampler.suggest(n))


def costing(known: Sequence[Observation], seconds: float) -> list[Observation]:
    return [replace(entry, cost=TrialCost(seconds, 0.1, 0)) for entry in known]


def test_nothing_is_said_before_a_model_is_asked() -> None:
    assert outlook([]) is None
    assert outlook(searched(SPACE, METRICS, two, total=STARTUP - 1)) is None


def test_it_falls_as_the_front_fills() -> None:
    known = searched(SPACE, METRICS, two, total=45)
    gains = []
    for count in (STARTUP, 20, 45):
        said = outlook(known[:count])
        assert said is not None
        assert said.seconds is None
        gains.append(said.gain)
    assert gains[0] > 0.01
    assert gains[0] > 3 * gains[1] > 9 * gains[2]
    assert gains[2] < 1e-3


@pytest.mark.parametrize("metrics", [("f0",), METRICS])
def test_it_is_of_the_order_of_what_comes(metrics: tuple[str, ...]) -> None:
    """Told as a share of the hypervolume, whatever unit the figures have."""
    known = searched(SPACE, metrics, lambda values: {m: two(values)[m] for m in metrics}, total=14)
    large = [
        observation(entry.configuration, {name: 1e6 * figure.mean for name, figure in entry.values.items()})
        for entry in known
    ]
    said, again = outlook(known, metrics=metrics), outlook(large, metrics=metrics)
    assert said is not None
    assert again is not None
    assert 0 < said.gain < 1
    assert again.gain == pytest.approx(said.gain, rel=0.05)


def test_the_cost_is_that_of_the_suggestion() -> None:
    said = outlook(costing(searched(SPACE, METRICS, two, total=20), 100.0))
    assert said is not None
    assert said.seconds == pytest.approx(100.1, rel=0.05)


def test_where_nothing_is_feasible_yet_everything_is_left_to_gain() -> None:
    known = [replace(entry, state=TrialState.INFEASIBLE) for entry in searched(SPACE, METRICS, two, total=14)]
    assert outlook(known) is None
