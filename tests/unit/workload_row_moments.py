"""Errors from sums of products equal those computed with all rows at hand."""

from __future__ import annotations

import numpy as np
import pytest

from autoglm_core.counters import CounterLayout
from autoglm_workloads.row_moments import Moments, count_moments, moment_fields
from support.workload_cases import summed

FIELDS = CounterLayout(moment_fields("x", 3))


def moments(rows: np.ndarray) -> Moments:
    """Summed over two sites."""
    parts = [count_moments("x", part) for part in np.array_split(rows, 2)]
    return Moments.read("x", summed(FIELDS, parts), len(rows))


def test_sums_and_products_of_all_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 3)) * [1, 1e3, 1e6]
    read = moments(rows)
    assert read.sums == pytest.approx(rows.sum(axis=0))
    assert read.products == pytest.approx(rows.T @ rows)


def test_errors_of_a_mean_and_of_a_ratio() -> None:
    stream = np.random.default_rng(1)
    rows = np.stack([stream.gamma(2, 3, 60), stream.gamma(9, 1, 60), np.ones(60)], axis=1)
    rows[:, 0] += rows[:, 1]
    read = moments(rows)
    assert read.mean_error(0) == pytest.approx(rows[:, 0].std() / 60**0.5)
    ratio = rows[:, 0].sum() / rows[:, 1].sum()
    residuals = rows[:, 0] - ratio * rows[:, 1]
    expected = (residuals**2).sum() ** 0.5 / rows[:, 1].sum()
    first, second, third = np.eye(3)
    assert read.ratio_error(first, second) == pytest.approx(expected)
    assert read.ratio_error(first, third) == pytest.approx(read.mean_error(0))


def test_further_rows_count_like_any() -> None:
    rows = np.random.default_rng(2).random((20, 3))
    joined = moments(rows[:15]).joined(rows[15:])
    assert joined.mean_error(2) == pytest.approx(moments(rows).mean_error(2))


def test_no_rows_have_no_error() -> None:
    nothing = moments(np.zeros((0, 3)))
    assert nothing.mean_error(0) == nothing.ratio_error(*np.eye(3)[:2]) == 0
