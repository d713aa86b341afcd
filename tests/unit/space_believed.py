"""Configurations that a study's author believes in, and studies to learn from: as they are declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autoglm_core.canonical import canonical_json
from autoglm_core.configuration import Configuration
from autoglm_core.parse_study import parse_study
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError
from support.agent_sites import toy_study

SEARCH = {
    "tune": {"width": [16, 32], "rate": "loguniform(1e-4, 1)", "bias": {"same_as": "width"}},
    "deploy": {
        "prune": "uniform(0, 0.6)",
        "quantization": ["none", "int8"],
        "level": {"type": "int", "min": 1, "max": 9, "when": {"quantization": "int8"}},
    },
}


def declared(sampler: Any, **more: Any) -> Study:
    """A study with that `sampler`."""
    return parse_study({**toy_study().to_json(), "search": SEARCH, "sampler": sampler, **more})


def test_what_is_left_out_is_as_in_the_reference() -> None:
    reference = {"tune": {"rate": 0.5}, "deploy": {"prune": 0.1}}
    study = declared(
        {"believed": [{"tune": {"width": 32}}, {"deploy": {"quantization": "int8"}}, {}]}, reference=reference
    )
    assert study.sampler.believed == (
        Configuration({"width": 32, "rate": 0.5, "bias": 32}, {"prune": 0.1, "quantization": "none"}),
        Configuration({"width": 16, "rate": 0.5, "bias": 16}, {"prune": 0.1, "quantization": "int8", "level": 1}),
        study.reference_configuration,
    )


def test_numbers_may_be_written_as_one_likes() -> None:
    believed = declared({"believed": [{"tune": {"rate": 1}}]}).sampler.believed
    assert believed[0].tune["rate"] == 1.0
    assert type(believed[0].tune["rate"]) is float


def test_they_are_part_of_what_a_site_approves() -> None:
    studies = [
        declared({}),
        declared({"believed": [{"tune": {"width": 32}}]}),
        declared({"believed": [{"tune": {"width": 32}}, {}]}),
        declared({"believed": [{}, {"tune": {"width": 32}}]}),
        declared({"warm_start": ["heart-0a1b2c"]}),
    ]
    assert len({study.hash for study in studies}) == len(studies)
    for study in studies:
        assert Study.from_json(json.loads(canonical_json(study.to_json()))) == study


@pytest.mark.parametrize(
    ("sampler", "place", "reason"),
    [
        ({"believed": [{"tune": {"width": 17}}]}, "sampler.believed[0].tune.width", "not permitted"),
        ({"believed": [{}, {"tune": {"widht": 16}}]}, "sampler.believed[1].tune.widht", "is no parameter of tune"),
        ({"believed": [{"tune": {"prune": 0.1}}]}, "sampler.believed[0].tune.prune", "is no parameter of tune"),
        ({"believed": [{"deploy": {"prune": "a"}}]}, "sampler.believed[0].deploy.prune", "must be a number"),
        ({"believed": [{"deploy": {"level": 3}}]}, "sampler.believed[0].deploy.level", "is not active"),
        ({"believed": [{"tune": {"bias": 32}}]}, "sampler.believed[0].tune.bias", "is tied to another parameter"),
        ({"believed": [{"width": 16}]}, "sampler.believed[0].width", "is not a key here"),
        ({"believed": {"tune": {}}}, "sampler.believed", "must be a list"),
        ({"believed": ["best"]}, "sampler.believed[0]", "must be a mapping"),
        (
            {"believed": [{}, {"tune": {"width": 16}}]},
            "sampler.believed[1]",
            "same configuration as sampler.believed[0]",
        ),
        ({"believed": [{}] * 101}, "sampler.believed", "at most 100, not 101"),
        ({"believed": [{"deploy": {"prune": 0.5}}]}, "sampler.believed[0].deploy.prune", "breaks 'prune <= 0.4'"),
        ({"warm_start": "heart-0a1b2c"}, "sampler.warm_start", "must be a list"),
        ({"warm_start": ["heart"]}, "sampler.warm_start[0]", "must be a study's id"),
        ({"warm_start": ["../etc-0a1b2c"]}, "sampler.warm_start[0]", "must be a study's id"),
        ({"warm_start": [3]}, "sampler.warm_start[0]", "must be text"),
        ({"warm_start": ["heart-0a1b2c"] * 2}, "sampler.warm_start", "twice"),
        ({"warm_start": [f"heart-0a1b2{n}" for n in range(9)]}, "sampler.warm_start", "at most 8, not 9"),
    ],
    ids=str,
)
def test_mistakes_are_named_with_their_place(sampler: Any, place: str, reason: str) -> None:
    with pytest.raises(StudyError) as caught:
        declared(sampler, constraints=["prune <= 0.4"])
    assert caught.value.data["path"] == place
    assert reason in caught.value.reason
