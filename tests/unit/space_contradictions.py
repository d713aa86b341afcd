"""Constraints that cannot hold together are said when a study is read, by name."""

from __future__ import annotations

from typing import Any

import pytest

from autoglm_core.canonical import Json
from autoglm_core.parse_study import parse_study
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError
from support.agent_sites import toy_study

SEARCH: Json = {
    "tune": {"width": [16, 32], "rate": "loguniform(1e-4, 1)", "hidden": "uniform(0, 1)", "kind": ["a", "b"]},
    "deploy": {
        "prune": "uniform(0, 1)",
        "compress": [True, False],
        "level": {"type": "int", "min": 1, "max": 9, "when": {"compress": True}},
        "quantization": ["none", "int8"],
    },
}


def study_with(*outcomes: str, search: tuple[str, ...] = (), **more: Any) -> Study:
    """A study with constraints on outcomes or configurations, and some under `search`."""
    value = {**toy_study().to_json(), "search": {**SEARCH, "constraints": list(search)}}
    return parse_study({**value, "constraints": list(outcomes), **more})


@pytest.mark.parametrize(
    ("constraints", "named", "place"),
    [
        (["prune >= 0.5", "prune <= 0.3"], ["prune >= 0.5", "prune <= 0.3"], "constraints[1]"),
        (["0.2 > prune", "size_mb < 3", "prune >= 0.2"], ["0.2 > prune", "prune >= 0.2"], "constraints[2]"),
        (
            ["latency_p95_ms <= 1", "latency_p95_ms >= 2"],
            ["latency_p95_ms <= 1", "latency_p95_ms >= 2"],
            "constraints[1]",
        ),
        (["accuracy > 0.9", "accuracy < 0.9 and size_mb < 1"], ["accuracy > 0.9"], "constraints[1]"),
        (["2 <= latency_p95_ms <= 1"], ["2 <= latency_p95_ms <= 1` cannot hold with any values"], "constraints[0]"),
        (["quantization == 'int8'", "quantization in ['none']"], ["quantization == 'int8'"], "constraints[1]"),
        (["prune + hidden <= 1", "prune >= 0.8", "hidden > 0.3"], ["prune >= 0.8", "hidden > 0.3"], "constraints[0]"),
        (["size_mb <= 2 * prune", "prune < 0.2", "size_mb > 0.5"], ["prune < 0.2"], "constraints[0]"),
        (["prune > 1.5"], ["prune > 1.5", "lies between 0 and 1"], "constraints[0]"),
        (["kind == 'c'"], ["is one of 'a', 'b'"], "constraints[0]"),
        (["latency_p95_ms <= -1"], ["is never below 0"], "constraints[0]"),
        (["width * prune > 32"], ["with any values in the declared ranges"], "constraints[0]"),
    ],
    ids=str,
)
def test_the_culprits_are_named(constraints: list[str], named: list[str], place: str) -> None:
    with pytest.raises(StudyError) as caught:
        study_with(*constraints)
    assert caught.value.data["path"] == place
    for text in named:
        assert text in caught.value.reason


def test_constraints_under_search_and_at_the_top_are_looked_at_together() -> None:
    with pytest.raises(StudyError, match=r"constraints\[0\]: `prune <= 0.3` cannot hold together with `prune >= 0.5`"):
        study_with("prune <= 0.3", search=("prune >= 0.5",))


def test_two_that_only_trying_finds_are_named() -> None:
    """Both can hold, and nothing that is said of a single name excludes the other."""
    with pytest.raises(StudyError) as caught:
        study_with("prune * hidden >= 0.6", "prune * hidden <= 0.5 or hidden < 0")
    assert "`prune * hidden >= 0.6` and `prune * hidden <= 0.5 or hidden < 0` together" in caught.value.reason
    assert caught.value.data["path"] == "constraints[1]"


def test_one_that_nothing_meets_is_named() -> None:
    with pytest.raises(StudyError, match=r"meets `prune - prune > hidden - hidden`: loosen it"):
        study_with("prune < 0.9", "prune - prune > hidden - hidden")


@pytest.mark.parametrize(
    "constraints",
    [
        ["prune >= 0.5", "prune <= 0.5"],
        ["level >= 5", "level <= 3"],  # where `compress` is off, neither applies
        ["level > 100"],
        ["prune >= 0.5 or width > 16", "prune <= 0.3"],
        ["not prune < 0.5", "not prune > 0.5"],
        ["latency_p95_ms <= 1", "latency_p50_ms >= 2"],
        ["compress == 1", "compress in [True]"],
        ["width <= 16.0", "width == 16"],
        ["rate / (prune - 0.5) > 3"],
    ],
    ids=str,
)
def test_what_can_hold_is_not_refused(constraints: list[str]) -> None:
    study = study_with(*constraints)
    study.space.check(study.reference_configuration)
    assert Study.from_json(study.to_json()) == study


def test_a_narrow_space_gets_a_reference_that_was_found() -> None:
    """No choice of ends and middles lies in it, and the canonical form says which one is taken."""
    study = study_with("0.2 < prune < 0.21", "0.7 < hidden < 0.8")
    study.space.check(study.reference_configuration)
    assert study.reference == study.reference_configuration
    assert Study.from_json(study.to_json()).hash == study.hash


def test_with_a_declared_reference_a_space_may_be_as_narrow_as_it_likes() -> None:
    reference = {"tune": {"rate": 0.5}, "deploy": {"prune": 0.1234567}}
    study = study_with("prune == 0.1234567", "rate == 0.5", reference=reference)
    assert study.reference_configuration.deploy["prune"] == 0.1234567
