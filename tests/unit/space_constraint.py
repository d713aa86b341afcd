"""The constraint language: what it says, and that it says no more."""

from __future__ import annotations

import pytest

from autoglm_core.configuration import Value
from autoglm_core.constraint import Constraint
from autoglm_core.study_error import ConstraintError

VALUES: dict[str, Value] = {"size_mb": 0.2, "width": 32, "prune": 0.5, "quantization": "none", "shared": True}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("size_mb <= 0.25", True),
        ("0.1 < size_mb < 0.15", False),
        ("width * (1 - prune) >= 16 and quantization != 'int8'", True),
        ("not (prune > 0.3 and quantization == 'none')", False),
        ("width in [16, 64] or shared", True),
        ("width not in (16, 32)", False),
        ("not shared", False),
        ("-width < 0", True),
        ("width / (prune - 0.5) > 0", False),  # a division by zero does not hold
        ("not (width / (prune - 0.5) > 0)", False),
        ("width * 1e308 * 1e308 > 1", True),
    ],
)
def test_meaning(text: str, holds: bool) -> None:
    assert Constraint(text).holds(VALUES) is holds


def test_names_are_known_without_evaluating() -> None:
    assert Constraint("size_mb <= 0.25 and width * prune < 3").names == ("prune", "size_mb", "width")


def test_not_a_number_meets_nothing() -> None:
    assert not Constraint("size_mb <= 1").holds({"size_mb": float("nan")})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true') == 0",
        "(lambda: 1)() == width",
        "width.real > 1",
        "width[0] > 1",
        "width ** 9 > 1",
        "width << 900 > 1",
        "[x for x in width] == 1",
        "(width := 3) > 1",
        "f'{width}' == 'a'",
        "width if shared else prune",
        "width is 3",
        "width in quantization",
        "b'a' == width",
        "None == width",
        "1j == width",
        "... == width",
        "size_mb +",
        "",
        "size_mb = 3",
        "1 < 2",
        "width + 1",
        "(" * 2000 + "width" + ")" * 2000 + " > 1",
        "-" * 100 + "width > 1",
        "width > 1 and " * 100 + "width > 1",
        "width > 1\x00",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ConstraintError):
        Constraint(text)


@pytest.mark.parametrize("text", ["quantization < 3", "quantization + 1 > 2", "quantization * 3 == 'a'", "depth > 1"])
def test_values_of_another_type_or_absent_are_an_error_and_not_false(text: str) -> None:
    with pytest.raises(ConstraintError):
        Constraint(text).holds(VALUES)
