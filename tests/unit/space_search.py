"""The search space: what is active, what lies inside, what can never exist."""

from __future__ import annotations

import pytest

from autoglm.space import choice, integer, loguniform, same_as, search_space, uniform
from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import FreeParameter, Part
from autoglm_core.space import OutsideSpace
from autoglm_core.study_error import ConstraintError, ImpossibleSpace, StudyError

SPACE = search_space(
    tune={
        "server_rate": loguniform(1e-3, 1, when={"aggregator": ["fedadam", "fedyogi"]}),
        "server_copy": same_as("server_rate"),
        "aggregator": choice("fedavg", "fedadam", "fedyogi"),
        "width": [16, 32],
    },
    deploy={
        "prune": uniform(0, 0.6),
        "quantization": choice("int8", "none"),
        "bits": integer(2, 8, when={"quantization": "int8", "width": 32}),
    },
    constraints=["width * prune <= 8", "bits >= 4"],
)
PLAIN: dict[str, Value] = {"aggregator": "fedavg", "width": 16}
NONE: dict[str, Value] = {"prune": 0.0, "quantization": "none"}


def test_the_reference_is_first_choices_midpoints_and_the_least_compression() -> None:
    assert SPACE.reference() == Configuration(PLAIN, NONE)
    middle = search_space(tune={"a": loguniform(1e-4, 1), "b": uniform(-1, 3), "c": integer(2, 9)}).reference()
    assert middle.tune == {"a": pytest.approx(1e-2), "b": 1.0, "c": 5}


def test_the_reference_meets_the_constraints() -> None:
    space = search_space(tune={"a": [1, 2, 3], "b": uniform(0, 1)}, constraints=["a > 1", "b == 0 and a != 2"])
    assert space.reference().tune == {"a": 3, "b": 0.0}
    with pytest.raises(ImpossibleSpace, match="meets all constraints"):
        search_space(tune={"a": [1, 2, 3]}, constraints=["a > 1", "a < 2"]).reference()


@pytest.mark.parametrize(
    ("tune", "deploy", "complaint"),
    [
        ({**PLAIN, "aggregator": "fedprox"}, NONE, "aggregator has a value that is not permitted"),
        ({**PLAIN, "width": 16.0}, NONE, "width has a value that is not permitted"),
        ({**PLAIN, "server_rate": 0.1}, NONE, "server_rate is not active here"),
        ({"aggregator": "fedadam", "width": 16}, NONE, "server_rate is missing"),
        ({"aggregator": "fedadam", "width": 16, "server_rate": 0.1, "server_copy": 0.2}, NONE, "server_copy differs"),
        ({**PLAIN, "depth": 3}, NONE, "depth is no parameter of tune"),
        (PLAIN, {**NONE, "width": 16}, "width is no parameter of deploy"),
        (PLAIN, {**NONE, "prune": 0.61}, "prune has a value that is not permitted"),
        (PLAIN, {**NONE, "prune": float("nan")}, "prune has a value that is not permitted"),
        (PLAIN, {**NONE, "prune": 0}, "prune has a value that is not permitted"),
        (PLAIN, {**NONE, "prune": 0.55}, r"breaks 'width \* prune <= 8'"),
        ({**PLAIN, "width": 32}, {"prune": 0.0, "quantization": "int8", "bits": 3}, "breaks 'bits >= 4'"),
    ],
)
def test_what_lies_outside_is_refused(tune: dict[str, Value], deploy: dict[str, Value], complaint: str) -> None:
    with pytest.raises(OutsideSpace, match=complaint):
        SPACE.check(Configuration(tune, deploy))
    assert not SPACE.contains(Configuration(tune, deploy))


def test_a_constraint_on_an_inactive_parameter_does_not_apply() -> None:
    SPACE.check(Configuration(PLAIN, {"prune": 0.0, "quantization": "int8"}))


def test_a_configuration_is_built_parents_first_and_ties_are_copied() -> None:
    asked: list[str] = []

    def choose(parameter: FreeParameter) -> Value:
        asked.append(parameter.name)
        wanted: dict[str, Value] = {"aggregator": "fedadam", "server_rate": 0.5, "width": 32, "quantization": "none"}
        return wanted.get(parameter.name, 0.25)

    configuration = SPACE.build(choose)
    assert configuration.tune == {"aggregator": "fedadam", "server_rate": 0.5, "server_copy": 0.5, "width": 32}
    assert configuration.deploy == {"prune": 0.25, "quantization": "none"}
    assert asked == ["aggregator", "server_rate", "width", "prune", "quantization"]
    SPACE.check(configuration)


def test_deploy_sees_the_values_of_tune() -> None:
    active = SPACE.active(Part.DEPLOY, {**PLAIN, "width": 32, "quantization": "int8"})
    assert [parameter.name for parameter in active] == ["prune", "quantization", "bits"]


def test_a_grid_holds_each_configuration_once() -> None:
    space = search_space(
        tune={"a": choice("x", "y"), "b": integer(1, 3, when={"a": "y"})},
        deploy={"c": [1, 2], "d": same_as("c")},
        constraints=["b != 2 or c == 1"],
    )
    grid = list(space.grid())
    assert len(grid) == len(set(grid)) == 2 + 2 * 3 - 1
    assert all(space.contains(configuration) for configuration in grid)
    assert space.size() == 2 * 3 * 2
    assert SPACE.size() is None
    assert list(SPACE.grid()) == []


@pytest.mark.parametrize(
    ("tune", "deploy", "complaint"),
    [
        ({"a": same_as("b"), "b": same_as("a")}, {}, "depends on itself: a -> b -> a"),
        ({"a": same_as("a")}, {}, "depends on itself"),
        ({"a": integer(1, 2, when={"b": 1}), "b": integer(1, 2, when={"a": 1})}, {}, "depends on itself"),
        ({"a": same_as("c"), "b": [1]}, {}, "'c', which does not exist"),
        ({"a": same_as("b")}, {"b": [1]}, "in tune and cannot depend on 'b' in deploy"),
        ({"a": [1]}, {"a": [1]}, "is declared twice"),
        ({"a": [1, 2], "b": integer(1, 2, when={"a": 3})}, {}, "waits for a = 3, which is not among 1, 2"),
        ({"a": [1, 2], "b": integer(1, 2, when={"a": True})}, {}, "waits for a = True"),
        ({"a": integer(1, 4), "b": integer(1, 2, when={"a": 9})}, {}, r"is not in 1\.\.4"),
        ({"a": [1, 2], "b": integer(1, 2, when={"a": []})}, {}, "could never be active"),
        ({"a": uniform(0, 1), "b": integer(1, 2, when={"a": 0.5})}, {}, "a range of real numbers"),
        ({"a": [1], "c": same_as("a"), "b": integer(1, 2, when={"c": 1})}, {}, "which is tied: name 'a' instead"),
        (
            {"a": [1, 2], "b": choice(3, when={"a": 1}), "c": integer(1, 2, when={"a": 2, "b": 3})},
            {},
            "can never be active",
        ),
        ({"1a": [1]}, {}, "starts with no digit"),
    ],
)
def test_impossible_spaces_are_refused(tune: dict[str, object], deploy: dict[str, object], complaint: str) -> None:
    with pytest.raises((ImpossibleSpace, StudyError), match=complaint):
        search_space(tune=tune, deploy=deploy)


def test_a_constraint_must_name_parameters() -> None:
    with pytest.raises(ImpossibleSpace, match="not declared"):
        search_space(tune={"width": [1]}, constraints=["widht < 3"])


def test_a_constraint_that_compares_text_with_a_number_is_refused() -> None:
    with pytest.raises(ConstraintError, match="other types"):
        search_space(tune={"a": ["x"]}, constraints=["a < 3"]).reference()


def test_a_configuration_that_a_constraint_cannot_judge_lies_outside() -> None:
    space = search_space(tune={"a": [1, "x"]}, constraints=["a < 3"])
    assert space.contains(Configuration({"a": 1}))
    assert not space.contains(Configuration({"a": "x"}))
