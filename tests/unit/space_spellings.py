"""Every spelling of a parameter means the same; what cannot be meant is refused with its place."""

from __future__ import annotations

import pytest

from autoglm.space import choice, integer, loguniform, same_as, search_space, uniform
from autoglm_core.parameter import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Parameter,
    Scale,
    TiedParameter,
)
from autoglm_core.parse_parameter import parse_parameter
from autoglm_core.study_error import StudyError

PLACE = ("search", "tune", "x")
LOG = FloatParameter("x", 1e-5, 1e-3, Scale.LOG)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("loguniform(1e-5, 1e-3)", LOG),
        ('(1e-5, 1e-3, "log")', LOG),
        ("( .00001 ,1.0E-3,  log )", LOG),
        ((1e-5, 1e-3, "log"), LOG),
        ({"type": "float", "min": 1e-5, "max": 1e-3, "scale": "log"}, LOG),
        (loguniform(1e-5, 1e-3), LOG),
        ("uniform(0, 0.6)", FloatParameter("x", 0, 0.6)),
        ("(0, 0.6, linear)", FloatParameter("x", 0, 0.6)),
        ({"type": "float", "min": 0, "max": 0.6}, FloatParameter("x", 0, 0.6)),
        (uniform(0, 0.6), FloatParameter("x", 0, 0.6)),
        ("int(2, 10)", IntParameter("x", 2, 10)),
        ("int(2, 64, log)", IntParameter("x", 2, 64, Scale.LOG)),
        ({"type": "int", "min": 2, "max": 10}, IntParameter("x", 2, 10)),
        (integer(2, 10), IntParameter("x", 2, 10)),
        ({"type": "int", "values": [2, 4, 8]}, CategoricalParameter("x", (2, 4, 8))),
        ("choice(16, 32)", CategoricalParameter("x", (16, 32))),
        ([16, 32], CategoricalParameter("x", (16, 32))),
        ({"type": "categorical", "choices": [16, 32]}, CategoricalParameter("x", (16, 32))),
        (choice(16, 32), CategoricalParameter("x", (16, 32))),
        ("choice(none, int8-dynamic, 'a, b')", CategoricalParameter("x", ("none", "int8-dynamic", "a, b"))),
        ("fedavg", CategoricalParameter("x", ("fedavg",))),
        (32, CategoricalParameter("x", (32,))),
        ("same_as(other)", TiedParameter("x", "other")),
        ({"same_as": "other"}, TiedParameter("x", "other")),
        (same_as("other"), TiedParameter("x", "other")),
        (
            {"type": "float", "min": 1e-3, "max": 1, "scale": "log", "when": {"y": ["a", "b"], "b": 2}},
            FloatParameter("x", 1e-3, 1.0, Scale.LOG, (Condition("b", (2,)), Condition("y", ("a", "b")))),
        ),
    ],
)
def test_spellings(spelling: object, expected: Parameter) -> None:
    assert parse_parameter("x", spelling, PLACE) == expected


def test_numbers_are_ordered_and_texts_are_not() -> None:
    assert CategoricalParameter("x", (16, 32)).ordered
    assert not CategoricalParameter("x", ("a", "b")).ordered
    assert not CategoricalParameter("x", (True, False)).ordered


def test_a_mixed_list_of_numbers_becomes_floats_so_that_hashes_agree() -> None:
    parameter = parse_parameter("x", [0, 0.5, 1], PLACE)
    assert isinstance(parameter, CategoricalParameter)
    assert [type(value) for value in parameter.choices] == [float, float, float]


@pytest.mark.parametrize(
    ("spelling", "reason", "nearest"),
    [
        ("logunifrom(1, 2)", "is no way to declare", "loguniform"),
        ("uniform(1)", "needs min and max", None),
        ("uniform(2, 1)", "min 2 is above max 1", None),
        ("loguniform(0, 1)", "needs min above 0", None),
        ("uniform", "no complete spelling", None),
        ("uniform(1, 2", "no complete spelling", None),
        ("choice(a b)", "a comma", None),
        ("choice(f(1), 2)", "between its arguments", None),
        ("choice()", "has no choice", None),
        ((1, 2), "a range in parentheses is", None),
        ("int(1.5, 3)", "must be a whole number", None),
        ("(1, 2, logg)", "must be one of linear, log", "log"),
        ([], "has no choice", None),
        ([1, 1], "twice", None),
        ([[1]], "must be a number, a text", None),
        (None, "not nothing", None),
        ({"type": "flaot", "min": 0, "max": 1}, "must be one of", "float"),
        ({"type": "float", "min": 0, "max": 1, "scale": "log"}, "needs min above 0", None),
        ({"type": "float", "mim": 0, "max": 1}, "is not a key here", "min"),
        ({"type": "float", "min": "0", "max": 1}, "must be a number, not text", None),
        ({"type": "float", "min": True, "max": 1}, "must be a number, not true or false", None),
        ({"type": "int", "values": [1, 2.5]}, "must be a whole number", None),
        ({"type": "int", "min": 0, "max": 2**60}, "within 2^53", None),
        ({"min": 0, "max": 1}, "'type' is missing", None),
        ({"type": "float", "min": float("nan"), "max": 1}, "must be finite", None),
    ],
)
def test_refusals(spelling: object, reason: str, nearest: str | None) -> None:
    with pytest.raises(StudyError) as caught:
        parse_parameter("x", spelling, PLACE)
    assert reason in caught.value.reason
    assert caught.value.nearest == nearest
    assert str(caught.value).startswith("search.tune.x")


def test_the_python_words_build_a_whole_space() -> None:
    space = search_space(
        tune={
            "aggregator": choice("fedavg", "fedadam"),
            "rate": loguniform(1e-3, 1, when={"aggregator": "fedadam"}),
            "copy": same_as("rate"),
        },
        deploy={"prune": (0.0, 0.6, "linear")},
        constraints=["prune <= 0.5"],
    )
    assert space.has_conditions
    assert space.names == {"aggregator", "rate", "copy", "prune"}
