"""Earlier studies help where they can, and do no harm where they cannot."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from autoglm_coordinator.sampler.bayes.belief import belief_of
from autoglm_coordinator.sampler.bayes.column_models import ColumnModel
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.sampler import WARM_STARTUP, BayesSampler
from autoglm_coordinator.sampler.bayes.transfer import TransferModel
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Values
from autoglm_core.objective import Direction, Objective
from autoglm_core.trial import Observation, TrialState
from support.search_problems import Figures, box, observation

SPACE = box(3)
GOALS = Goals(tuple(Objective(metric, Direction.MINIMIZE) for metric in ("g0", "g1")), None, SPACE.reference())


def bowls(values: Values) -> dict[str, float]:
    """Two narrow bowls."""
    at = tuple(float(value) for value in values.values())
    return {
        "g0": 1 - math.exp(-6 * math.dist(at, (0.2, 0.3, 0.7)) ** 2),
        "g1": 1 - math.exp(-6 * math.dist(at, (0.4, 0.3, 0.9)) ** 2),
    }


def unrelated(values: Values) -> dict[str, float]:
    """Waves."""
    a, b, c = (float(value) for value in values.values())
    return {"g0": math.sin(9 * a) + math.sin(11 * b) * math.cos(7 * c), "g1": math.sin(8 * a + 5 * b) + math.cos(9 * c)}


def otherwise(values: Values) -> dict[str, float]:
    """As `bowls`, on other data: three times as large, and far better than can be."""
    return {metric: 3 * figure - 100 for metric, figure in bowls(values).items()}


def observed(count: int, figures: Figures, *, seed: int) -> list[Observation]:
    generator = random.Random(seed)  # noqa: S311  no secret
    drawn = [SPACE.build(lambda _: float(f"{generator.random():.6g}")) for _ in range(count)]
    return [observation(entry, figures(entry.tune)) for entry in drawn]


def continued(
    known: Sequence[Observation], earlier: Sequence[Sequence[Observation]], *, total: int
) -> list[Observation]:
    known = list(known)
    while len(known) < total:
        sampler = BayesSampler(SPACE, GOALS, seed=3, variants=1, earlier=earlier)
        sampler.observe(known, [])
        configuration = sampler.suggest(1)[0].configurations[0]
        known.append(observation(configuration, bowls(configuration.tune)))
    return known


def worth(known: Sequence[Observation]) -> float:
    """What is left of the better of two goals, at its lowest sum."""
    return min(sum(figure.mean for figure in entry.values.values()) for entry in known)


def models(known: Sequence[Observation], earlier: Sequence[Sequence[Observation]]) -> list[type]:
    belief = belief_of(UnitCube(SPACE), GOALS, known, np.random.default_rng(1), earlier=earlier)
    assert belief is not None
    return [type(model) for model in belief.surrogate.columns]


def test_a_study_of_other_data_saves_the_start() -> None:
    """Three suggestions after four trials, against as many more of the start."""
    start = observed(WARM_STARTUP, bowls, seed=1)
    warm = continued(start, [observed(50, otherwise, seed=2)], total=WARM_STARTUP + 3)
    assert worth(warm) < 0.6 * worth(observed(WARM_STARTUP + 3, bowls, seed=1))
    assert worth(warm) < 1.2 * worth(observed(2000, bowls, seed=9))


def test_one_that_misleads_is_left_out() -> None:
    known = observed(14, bowls, seed=1)
    assert models(known, [observed(50, unrelated, seed=2)]) == [ColumnModel] * 2
    assert models(known, [observed(50, otherwise, seed=2)]) == [TransferModel] * 2


def test_of_several_the_one_that_fits_is_taken() -> None:
    known = observed(14, bowls, seed=1)
    good, bad = observed(50, otherwise, seed=2), observed(50, unrelated, seed=3)
    cube = UnitCube(SPACE)
    inputs = cube.encode([entry.configuration for entry in observed(40, bowls, seed=9)])
    predicted = [
        belief.predict(inputs).mean
        for earlier in ([good], [bad, good], [good, bad])
        if (belief := belief_of(cube, GOALS, known, np.random.default_rng(1), earlier=earlier)) is not None
    ]
    truth = np.array([list(bowls(entry.configuration.tune).values()) for entry in observed(40, bowls, seed=9)])
    for mean in predicted:
        assert np.abs(mean - truth).mean() < 0.05


def test_figures_of_an_earlier_study_never_count_for_the_front() -> None:
    known = observed(8, bowls, seed=1)
    belief = belief_of(
        UnitCube(SPACE), GOALS, known, np.random.default_rng(1), earlier=[observed(50, otherwise, seed=2)]
    )
    assert belief is not None
    assert belief.counted.shape == (len(known), 1)
    assert (belief.predict(belief.seen).mean > -1).all()


def test_the_order_of_earlier_trials_does_not_matter_and_the_same_is_suggested_again() -> None:
    known, earlier = observed(8, bowls, seed=1), observed(30, otherwise, seed=2)
    suggested = []
    for trials in (earlier, earlier[::-1]):
        sampler = BayesSampler(SPACE, GOALS, seed=3, variants=1, earlier=[trials])
        sampler.observe(known, [])
        suggested.append(sampler.suggest(3))
    assert suggested[0] == suggested[1]


def _failed(entry: Observation) -> Observation:
    return Observation(entry.configuration, {}, 0, TrialState.FAILED)


@pytest.mark.parametrize(
    "earlier",
    [
        [],
        [_failed(entry) for entry in observed(12, bowls, seed=4)],
        observed(2, bowls, seed=4),
        observed(12, lambda _: {"g0": 1.0, "g1": 1.0}, seed=4),
        observed(12, lambda values: {"g0": math.nan, "g1": bowls(values)["g1"]}, seed=4),
        observed(12, lambda values: {"g1": bowls(values)["g1"]}, seed=4),
    ],
    ids=["none", "failed", "few", "constant", "no numbers", "one goal"],
)
def test_an_earlier_study_that_teaches_little_does_no_harm(earlier: list[Observation]) -> None:
    sampler = BayesSampler(SPACE, GOALS, seed=3, variants=1, earlier=[earlier])
    for known in ([], observed(WARM_STARTUP, bowls, seed=1), observed(12, bowls, seed=1)):
        sampler.observe(known, [])
        assert len({entry.configurations[0] for entry in sampler.suggest(3)}) == 3


def test_believed_neighbours_of_what_is_pending_lose_their_promise() -> None:
    """Few own trials and a trusted earlier study: a batch still lies apart."""
    sampler = BayesSampler(SPACE, GOALS, seed=3, variants=1, earlier=[observed(50, otherwise, seed=2)])
    sampler.observe(observed(WARM_STARTUP, bowls, seed=1), [])
    points = np.array([list(map(float, entry.tune.values())) for entry in sampler.suggest(4)])
    distances = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(4)
    assert distances.min() > 0.02
