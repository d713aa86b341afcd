"""Which constraints are bounds on single figures, and what these say."""

from __future__ import annotations

import math

import pytest

from autoglm_core.bound import Bound, bounds_of
from autoglm_core.constraint import Constraint


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("latency_p95_ms <= 5", [Bound("latency_p95_ms", 5.0, upper=True)]),
        ("0.9 < accuracy", [Bound("accuracy", 0.9, upper=False, strict=True)]),
        ("loss > -1", [Bound("loss", -1.0, upper=False, strict=True)]),
        ("0.1 <= x <= 2", [Bound("x", 0.1, upper=False), Bound("x", 2.0, upper=True)]),
        ("x <= 2 and (y >= 1 and 3 > z)", [
            Bound("x", 2.0, upper=True), Bound("y", 1.0, upper=False), Bound("z", 3.0, upper=True, strict=True),
        ]),
    ],
)  # fmt: skip
def test_bounds_are_read_from_either_side_and_from_conjunctions(text: str, bounds: list[Bound]) -> None:
    assert list(bounds_of(Constraint(text))) == bounds


@pytest.mark.parametrize(
    "text",
    [
        "x <= 2 or y <= 1",
        "not x > 2",
        "x <= 2 * threads",
        "x + y <= 1",
        "x <= y",
        "x == 2",
        "x in [1, 2]",
        "kind <= 'a'",
        "x <= True",
        "x <= 2 and y * 2 <= 3",
        f"x <= 1{'0' * 400}",
        "flag",
    ],
)
def test_anything_else_is_no_bound(text: str) -> None:
    assert bounds_of(Constraint(text)) == ()


@pytest.mark.parametrize("text", ["x <= 2", "x < 2", "x >= 2", "x > 2", "2 < x", "1 < x <= 2"])
@pytest.mark.parametrize("value", [0.5, 2.0, 3.0, math.nan])
def test_bounds_hold_where_their_constraint_does(text: str, value: float) -> None:
    constraint = Constraint(text)
    assert all(bound.holds(value) for bound in bounds_of(constraint)) == constraint.holds({"x": value})
