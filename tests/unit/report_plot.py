"""The front as a picture: what is on it, that it is the same each time, and that labels keep clear."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from autoglm_coordinator.report.placement import Box, place
from autoglm_coordinator.report.plot import plot_front
from autoglm_coordinator.report.plot_growth import plot_growth
from autoglm_coordinator.report.result import build_result
from autoglm_core.canonical import Json
from autoglm_core.objective import Objective
from autoglm_core.training_cost import NO_COST
from support.search_trials import ACCURACY, LATENCY, search, searched_study

THREE = searched_study().objectives


def result(*, total: int = 24, objectives: tuple[Objective, ...] = THREE) -> Json:
    study = searched_study("random", objectives=objectives)
    return build_result(
        study=study,
        study_id="searched-7f3a",
        trials=search(study, total=total) if total else [],
        tests={},
        protection={},
        blamed=[],
        data={},
        stopped="trials",
        study_seconds=1.0,
        study_bytes=0,
        study_cost=NO_COST,
    )


@pytest.mark.parametrize(
    ("total", "objectives"), [(24, THREE), (24, (ACCURACY, LATENCY)), (24, (ACCURACY,)), (0, THREE)]
)
def test_a_front_is_drawn_whatever_there_is(total: int, objectives: tuple[Objective, ...]) -> None:
    image = imread(io.BytesIO(plot_front(result(total=total, objectives=objectives), "one-core")))
    assert image.shape[:2] == (768, 1216)
    assert np.ptp(image[..., :3]) > 0.8


@pytest.mark.parametrize("objectives", [THREE, (ACCURACY,)])
@pytest.mark.parametrize("total", [24, 0])
def test_the_growth_of_a_front_is_drawn_whatever_there_is(total: int, objectives: tuple[Objective, ...]) -> None:
    image = imread(io.BytesIO(plot_growth(result(total=total, objectives=objectives), "one-core")))
    assert image.shape[:2] == (576, 1216)
    lines = np.abs(image[..., :3] - np.array([0x31, 0x68, 0x8E]) / 255).max(axis=-1) < 0.02
    assert lines.any() == (total > 0)


def test_the_same_result_gives_the_same_bytes() -> None:
    assert plot_front(result(), "one-core") == plot_front(result(), "one-core")
    assert plot_growth(result(), "one-core") == plot_growth(result(), "one-core")


def test_infeasible_trials_are_not_on_the_picture() -> None:
    whole = result()
    feasible = {**whole, "trials": [entry for entry in whole["trials"] if entry["state"] == "completed"]}
    assert len(feasible["trials"]) < len(whole["trials"])
    assert plot_front(feasible, "one-core") == plot_front(whole, "one-core")


def test_pyplot_and_its_global_state_are_never_loaded() -> None:
    plot_front(result(total=8), "one-core")
    plot_growth(result(total=8), "one-core")
    assert "matplotlib.pyplot" not in sys.modules


def test_labels_cover_neither_points_nor_each_other() -> None:
    points = [(100.0 + 12 * index, 100.0 + 7 * (index % 3)) for index in range(8)]
    obstacles = [Box.around(point, 5.0) for point in points]
    centres = place(points, sizes=[(30.0, 12.0)] * 8, obstacles=obstacles, gap=8.0)
    boxes = [Box.around(centre, 15.0, 6.0) for centre in centres]
    covered = sum(box.overlap(other) for box in boxes for other in obstacles)
    crossed = sum(box.overlap(other) for index, box in enumerate(boxes) for other in boxes[:index])
    naive = [Box.around((x, y + 14.0), 15.0, 6.0) for x, y in points]
    assert covered + crossed < 0.2 * sum(box.overlap(other) for box in naive for other in (*obstacles, *naive))


def test_a_free_label_stands_above_its_point() -> None:
    assert place([(50.0, 50.0)], sizes=[(20.0, 10.0)], obstacles=[], gap=5.0) == [pytest.approx((50.0, 60.0))]
