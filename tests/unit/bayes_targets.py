"""What the surrogate is fitted to: noise, rungs, missing figures, many goals; and that rungs help it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.belief import belief_of
from autoglm_coordinator.sampler.bayes.chebyshev import scalarised
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.prediction import predicted
from autoglm_coordinator.sampler.bayes.targets import Targets, targets_of
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import Direction, Objective, Weighted
from autoglm_core.trial import Observation, TrialState
from support.search_problems import box
from support.search_trials import ACCURACY, LATENCY, measured, validated

SIZE = Objective("size_mb", Direction.MINIMIZE)
Array = NDArray[np.float64]


def goals(*objectives: Objective, weights: Mapping[str, float] | None = None) -> Goals:
    return Goals(objectives, None if weights is None else Weighted(weights), box(2).reference())


def at(*point: float) -> Configuration:
    return Configuration(tune={f"x{index}": float(value) for index, value in enumerate(point)})


def seen(
    values: Mapping[str, Measurement],
    *,
    state: TrialState = TrialState.COMPLETED,
    fidelity: int = 9,
    point: tuple[float, ...] = (0.5, 0.5),
) -> Observation:
    return Observation(at(*point), values, fidelity, state)


def goal_values(targets: Targets) -> Array:
    return targets.classes[0].outcomes.values(targets.values)


def exact(mean: float) -> Measurement:
    return Measurement(mean, 0.0, 1, Provenance.EXACT)


def test_noise_is_as_known_as_it_is() -> None:
    figures = {"accuracy": validated(0.9), "latency_p95_ms": measured(4.0), "size_mb": exact(2.0)}
    targets = targets_of(goals(ACCURACY, LATENCY, SIZE), [seen(figures)])
    accuracy, latency, size = targets.columns
    # All trials share the validation rows and with them their error; devices are measured anew each time.
    assert accuracy.variances.tolist() == [0.0] and not accuracy.exact
    assert latency.variances.tolist() == pytest.approx([0.02**2]) and not latency.exact
    assert size.variances.tolist() == [0.0] and size.exact
    assert goal_values(targets)[0].tolist() == pytest.approx([0.9, -math.log(4.0), -math.log(2.0)])


def test_only_what_was_trained_to_the_end_is_complete() -> None:
    figures = {"accuracy": validated(0.9), "latency_p95_ms": measured(4.0)}
    shape = {"latency_p95_ms": measured(4.0)}
    observations = [
        seen(figures),
        seen(figures, state=TrialState.STOPPED, fidelity=3),
        seen(shape, state=TrialState.STOPPED, fidelity=0),
        seen(shape, state=TrialState.INFEASIBLE, fidelity=0),
        seen({}, state=TrialState.FAILED, fidelity=0),
        seen({**figures, "accuracy": validated(math.nan)}),
    ]
    targets = targets_of(goals(ACCURACY, LATENCY), observations)
    assert targets.rows.tolist() == [0, 1, 2, 3, 5]
    assert targets.classes[0].complete.tolist() == [True, False, False, False, False]
    assert targets.classes[0].held.tolist() == [1, 1, 1, -1, 1]
    assert targets.fidelity.tolist() == pytest.approx([1, 1 / 3, 0, 1, 1])
    assert np.isnan(targets.values[:, 0]).tolist() == [False, False, True, True, True]
    assert np.isfinite(targets.values[:, 1]).all()


def test_a_weighted_sum_is_known_where_all_its_parts_are() -> None:
    wanted = goals(ACCURACY, LATENCY, weights={"accuracy": 0.75, "latency_p95_ms": 0.25})
    good = {"accuracy": validated(0.9), "latency_p95_ms": measured(1.0)}
    slow = {"accuracy": validated(0.9), "latency_p95_ms": measured(4.0)}
    shape = {"latency_p95_ms": measured(1.0)}
    values = goal_values(targets_of(wanted, [seen(good), seen(slow), seen(shape, state=TrialState.INFEASIBLE)]))[:, 0]
    assert values[0] > values[1]
    assert np.isnan(values[2])


def test_many_goals_become_one_that_rewards_what_is_better_everywhere() -> None:
    objectives = tuple(Objective(f"f{index}", Direction.MINIMIZE) for index in range(6))
    rows = [[value] * 6 for value in (1.0, 2.0, 3.0)]
    observations = [
        seen({f"f{index}": Measurement(value, 0.0, 1, Provenance.MEASURED) for index, value in enumerate(row)})
        for row in rows
    ]
    observations.append(seen({"f0": measured(1.0)}))
    for seed in range(5):
        one = scalarised(targets_of(goals(*objectives), observations), np.random.default_rng(seed))
        values = goal_values(one)
        assert values.shape == (4, 1)
        assert values[0, 0] > values[1, 0] > values[2, 0]
        assert np.isnan(values[3, 0])


def final(point: Array) -> float:
    return float(0.9 - 0.5 * (point[0] - 0.7) ** 2 - 0.2 * math.sin(5 * point[1]) ** 2)


def learning(points: Array, rounds: int) -> list[Observation]:
    """Accuracy after `rounds` of 9: what is still missing shrinks, and depends a little on the configuration."""
    missing = 0.25 * math.exp(-rounds / 2) - 0.25 * math.exp(-9 / 2)
    state = TrialState.COMPLETED if rounds == 9 else TrialState.STOPPED
    return [
        seen(
            {"accuracy": Measurement(final(point) - missing * (1 + 0.3 * point[0]), 0.01, 359, Provenance.SECURE_SUM)},
            state=state,
            fidelity=rounds,
            point=tuple(point),
        )
        for point in points
    ]


def prediction_error(observations: list[Observation], asked: Array) -> float:
    """Of the final accuracy, root mean square."""
    cube = UnitCube(box(2))
    belief = belief_of(cube, goals(ACCURACY), observations, np.random.default_rng(0))
    assert belief is not None
    mean = belief.predict(cube.encode([at(*point) for point in asked])).mean[:, 0]
    return float(np.sqrt(np.mean((mean - [final(point) for point in asked]) ** 2)))


@pytest.mark.parametrize("seed", range(3))
def test_stopped_trials_sharpen_what_is_predicted_of_full_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    full, stopped, asked = rng.random((8, 2)), rng.random((30, 2)), rng.random((200, 2))
    without = prediction_error(learning(full, 9), asked)
    with_rungs = prediction_error([*learning(full, 9), *learning(stopped[:15], 3), *learning(stopped[15:], 1)], asked)
    assert with_rungs < 0.8 * without


@pytest.mark.parametrize("seed", range(3))
def test_rungs_that_say_nothing_of_the_end_do_little_harm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    full, stopped, asked = rng.random((20, 2)), rng.random((20, 2)), rng.random((200, 2))
    noise = [
        seen(
            {"accuracy": validated(float(rng.uniform(0.1, 0.5)))},
            state=TrialState.STOPPED,
            fidelity=1,
            point=tuple(point),
        )
        for point in stopped
    ]
    without = prediction_error(learning(full, 9), asked)
    assert prediction_error([*learning(full, 9), *noise], asked) < 1.5 * without


def repeated(scatter: float) -> list[Observation]:
    """Six configurations, each trained three times: accuracies `scatter` apart."""
    points = np.random.default_rng(3).random((6, 2))
    return [
        seen({"accuracy": validated(final(point) + step * scatter)}, point=tuple(point))
        for point in points
        for step in (-1, 0, 1)
    ]


def test_what_training_adds_is_learned_from_replicates() -> None:
    """Not from the error of the validation rows, which is 0.01 of each figure here and the same for all."""
    cube = UnitCube(box(2))
    spreads = []
    for scatter in (0.0, 0.03):
        observations = repeated(scatter)
        belief = belief_of(cube, goals(ACCURACY), observations, np.random.default_rng(0))
        assert belief is not None
        inputs = cube.encode([entry.configuration for entry in observations])
        spreads.append(float(np.median([entry["accuracy"][1] for entry in predicted(belief, inputs)])))
    agreeing, scattered = spreads
    assert agreeing < 0.002
    # Three trainings each tell a mean to about scatter / sqrt(3); neighbours help.
    assert 0.004 < scattered < 0.03


def test_nothing_to_learn_from_is_no_belief() -> None:
    cube = UnitCube(box(2))
    failed = [seen({}, state=TrialState.FAILED), seen({"accuracy": validated(0.5)}, state=TrialState.STOPPED)]
    assert belief_of(cube, goals(ACCURACY), failed, np.random.default_rng(0)) is None


def test_only_completed_trials_count_for_the_front() -> None:
    cube = UnitCube(box(2))
    points = np.random.default_rng(3).random((12, 2))
    observations = [*learning(points[:6], 9), *learning(points[6:], 3)]
    belief = belief_of(cube, goals(ACCURACY), observations, np.random.default_rng(0))
    assert belief is not None and belief.counted.sum() == 6
