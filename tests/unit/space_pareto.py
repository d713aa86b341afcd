"""The front of a set of points, and one weighted figure instead of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from autoglm_core.objective import Direction, NoReferenceFigure, Objective, Weighted, usual_direction
from autoglm_core.pareto import WrongValues, non_dominated
from autoglm_core.study_error import StudyError

UP, DOWN = Direction.MAXIMIZE, Direction.MINIMIZE


def test_the_front_respects_directions() -> None:
    values = np.array([[0.9, 5.0], [0.8, 4.0], [0.8, 6.0], [0.7, 4.0]])
    assert non_dominated(values, (UP, DOWN)).tolist() == [True, True, False, False]
    assert non_dominated(values, (DOWN, UP)).tolist() == [False, False, True, True]


def test_duplicates_are_both_kept() -> None:
    assert non_dominated(np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), (UP, UP)).tolist() == [True, True, False]


def test_a_point_with_nan_is_off_the_front_and_dominates_nothing() -> None:
    values = np.array([[np.nan, 9.0], [1.0, 1.0], [np.nan, np.nan]])
    assert non_dominated(values, (UP, UP)).tolist() == [False, True, False]


def test_no_points_have_an_empty_front() -> None:
    assert non_dominated(np.zeros((0, 2)), (UP, DOWN)).shape == (0,)


def test_another_shape_is_refused() -> None:
    with pytest.raises(WrongValues, match=r"\(n, 2\)"):
        non_dominated(np.zeros((3, 1)), (UP, DOWN))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(0, 3).map(float)))
def test_whoever_is_off_the_front_is_beaten_by_one_on_it_and_nobody_on_it_is(values: NDArray[np.float64]) -> None:
    front = non_dominated(values, (UP, UP, UP))
    for row, on_front in zip(values, front, strict=True):
        better = (values[front] >= row).all(axis=1) & (values[front] > row).any(axis=1)
        assert bool(better.any()) is not bool(on_front)


def test_a_weighted_sum_divides_costs_by_the_reference() -> None:
    weighted = Weighted({"accuracy": 0.6, "latency_p95_ms": 0.25, "energy_mj": 0.15})
    objectives = [Objective(metric, usual_direction(metric)) for metric in weighted.weights]
    reference = {"accuracy": 0.9, "latency_p95_ms": 4.0, "energy_mj": 10.0}
    values = {"accuracy": 0.8, "latency_p95_ms": 2.0, "energy_mj": 30.0}
    score = weighted.score(objectives, values, reference=reference)
    assert score == pytest.approx(0.6 * 0.8 - 0.25 * 0.5 - 0.15 * 3.0)


def test_a_weighted_cost_needs_a_reference_figure() -> None:
    weighted = Weighted({"accuracy": 0.5, "energy_mj": 0.5})
    objectives = [Objective("accuracy", UP), Objective("energy_mj", DOWN)]
    with pytest.raises(NoReferenceFigure, match="energy_mj"):
        weighted.score(objectives, {"accuracy": 1.0, "energy_mj": 1.0}, reference={"accuracy": 1.0})


@pytest.mark.parametrize("weights", [{"accuracy": 0.5, "loss": 0.4}, {"accuracy": 1.5, "loss": -0.5}, {}])
def test_weights_are_positive_and_sum_to_one(weights: dict[str, float]) -> None:
    with pytest.raises(StudyError, match="weight"):
        Weighted(weights)
