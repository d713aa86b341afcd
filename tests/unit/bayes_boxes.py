"""Boxes under and over a front, and the expected improvement in closed form, against independent counts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.acquisition import thinned
from autoglm_coordinator.sampler.bayes.boxes import Boxes, free_boxes, hypervolume
from autoglm_coordinator.sampler.bayes.improvement import log_improvement

Array = NDArray[np.float64]
GOALS = (1, 2, 3, 4, 5)


def front(goals: int, points: int, seed: int = 3) -> Array:
    """Random points, dominated ones and duplicates among them."""
    rng = np.random.default_rng(seed)
    values = rng.random((points, goals))
    return np.vstack([values, values[: points // 3], values[:2] - 0.05])


def by_inclusion_and_exclusion(points: Array, reference: Array) -> float:
    """The same volume from the volumes of intersections."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in combinations(points, size):
            total -= (-1) ** size * float(np.prod(np.maximum(np.min(chosen, axis=0) - reference, 0.0)))
    return total


@pytest.mark.parametrize("goals", GOALS)
def test_the_hypervolume_is_that_of_inclusion_and_exclusion(goals: int) -> None:
    points, reference = front(goals, 6), np.full(goals, 0.1)
    assert hypervolume(points, reference) == pytest.approx(by_inclusion_and_exclusion(points, reference), rel=1e-9)


def test_the_hypervolume_of_nothing_above_the_reference_is_none() -> None:
    assert hypervolume(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.5])) == 0.0
    assert hypervolume(np.empty((0, 3)), np.zeros(3)) == 0.0


@pytest.mark.parametrize("goals", GOALS)
def test_every_free_point_lies_in_one_box_and_no_dominated_point_in_any(goals: int) -> None:
    points, reference = front(goals, 15), np.full(goals, 0.1)
    boxes = free_boxes(points, reference)
    asked = np.random.default_rng(5).uniform(0.1, 1.5, (3000, goals))
    dominated = np.any(np.all(points[None] >= asked[:, None], axis=2), axis=1)
    inside = np.sum(np.all((asked[:, None] > boxes.lower) & (asked[:, None] <= boxes.upper), axis=2), axis=1)
    assert (inside == ~dominated).all()
    assert 0 < dominated.mean() < 1


@pytest.mark.parametrize("goals", [1, 2, 3, 4])
def test_the_expected_improvement_is_the_mean_of_sampled_ones(goals: int) -> None:
    rng = np.random.default_rng(11)
    points, reference = front(goals, 6), np.full(goals, 0.1)
    mean, deviation = rng.uniform(0.3, 1.0, (4, goals)), rng.uniform(0.05, 0.4, (4, goals))
    expected = np.exp(log_improvement(mean, deviation, free_boxes(points, reference)))
    before = hypervolume(points, reference)
    for row in range(4):
        drawn = mean[row] + deviation[row] * rng.standard_normal((1500, goals))
        gains = [hypervolume(np.vstack([points, point]), reference) - before for point in drawn]
        assert expected[row] == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(len(gains)) + 1e-5)


@pytest.mark.parametrize("goals", [1, 2, 3])
def test_far_below_the_front_the_log_improvement_is_finite_and_still_rises(goals: int) -> None:
    boxes = free_boxes(front(goals, 8), np.full(goals, 0.1))
    means = np.concatenate([-np.logspace(8, -2, 200), np.linspace(0, 1.2, 60)])
    promise = log_improvement(np.tile(means[:, None], goals), np.ones((len(means), goals)) * 0.1, boxes)
    assert np.isfinite(promise).all()
    assert (np.diff(promise) > 0).all()


@pytest.mark.parametrize("distance", [1e3, 9.9e3, 1.01e4, 1e5, 1e7, 1e8])
def test_the_far_tail_is_the_one_of_mills_ratio(distance: float) -> None:
    boxes = free_boxes(np.empty((0, 1)), np.zeros(1))
    promise = log_improvement(np.array([[-distance]]), np.ones((1, 1)), boxes)[0]
    # pdf(z) / z^2 (1 - 3 / z^2 + ...), the expansion of pdf(z) - z (1 - cdf(z)).
    expected = -0.5 * distance**2 - 0.5 * np.log(2 * np.pi) - 2 * np.log(distance) - 3 / distance**2
    assert promise == pytest.approx(expected, abs=1e-6 + 4 * np.spacing(distance**2))


def test_a_sure_prediction_improves_by_what_it_adds() -> None:
    points, reference = front(2, 8), np.zeros(2)
    added = hypervolume(np.vstack([points, [[0.9, 0.95]]]), reference) - hypervolume(points, reference)
    sure = log_improvement(np.array([[0.9, 0.95]]), np.full((1, 2), 1e-6), free_boxes(points, reference))
    assert np.exp(sure[0]) == pytest.approx(added, rel=1e-3)


def test_what_is_predicted_beyond_a_bound_adds_no_more_than_the_bound_itself() -> None:
    points, reference, most = front(2, 8), np.zeros(2), np.array([1.0, np.inf])
    bounded = free_boxes(points, reference, most)
    beyond, at_the_bound = log_improvement(np.array([[1.4, 0.7], [1.0, 0.7]]), np.full((2, 2), 1e-6), bounded)
    assert beyond == pytest.approx(at_the_bound, abs=1e-3)
    assert (
        beyond < log_improvement(np.array([[1.4, 0.7]]), np.full((1, 2), 1e-6), free_boxes(points, reference))[0] - 0.1
    )


def test_a_bound_that_was_reached_leaves_the_search_what_it_had() -> None:
    boxes = free_boxes(np.array([[1.0]]), np.zeros(1), np.ones(1))
    assert np.isfinite(log_improvement(np.array([[0.5]]), np.full((1, 1), 0.1), boxes)).all()


def test_without_a_front_everything_above_the_reference_is_one_box() -> None:
    boxes = free_boxes(np.empty((0, 3)), np.array([1.0, 2.0, 3.0]))
    assert isinstance(boxes, Boxes)
    assert boxes.lower.tolist() == [[1.0, 2.0, 3.0]]
    assert np.isinf(boxes.upper).all()


def test_a_thinned_front_keeps_its_ends() -> None:
    share = np.linspace(0, 1, 101)
    kept = thinned(np.column_stack([share, 1 - share]), 5)
    assert len(kept) == 5
    assert kept[:, 0].min() == 0.0 and kept[:, 0].max() == 1.0
    assert np.diff(np.sort(kept[:, 0])).max() <= 0.5
