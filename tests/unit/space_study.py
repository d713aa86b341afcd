"""A study: its defaults, its canonical form and its hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from autoglm_core.canonical import Json, canonical_json, digest
from autoglm_core.configuration import Configuration
from autoglm_core.objective import Direction, Objective
from autoglm_core.parse_study import WorkloadFacts, parse_study
from autoglm_core.schema import ColumnKind, TableSchema
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError

FACTS = WorkloadFacts(version=3, metrics=lambda _: ("accuracy", "loss"))
DECLARED: Json = {
    "name": "hearts",
    "workload": "tabular-classification",
    "data": "heart",
    "model": "mlp",
    "schema": {
        "form": "table",
        "columns": {"age": "number", "cp": [1, 2, 3], "ca": "ignore", "ill": "label"},
        "label": {"name": "ill", "classes": {"no": [0], "yes": [1, 2]}},
        "missing": ["?"],
    },
    "search": {
        "tune": {"width": [16, 32], "rate": "loguniform(1e-4, 1)"},
        "deploy": {"prune": "uniform(0, 0.6)", "quantization": ["none", "int8-static"]},
    },
    "objectives": {"accuracy": "maximize", "latency_p95_ms": "minimize"},
    "constraints": ["size_mb <= 0.25", "width * prune <= 16", "latency_p95_ms * width < 100"],
    "rounds": 10,
    "budget": {"trials": 4, "wall": "1.5h"},
    "device_classes": ["pi5"],
}


def declared(**changes: object) -> Json:
    """The study above with other values at the top; None leaves a key out."""
    return {key: value for key, value in (deepcopy(DECLARED) | changes).items() if value is not None}


def test_a_study_has_the_documented_defaults() -> None:
    study = parse_study(declared(), FACTS)
    assert study.workload_version == 3
    assert study.budget.wall == timedelta(minutes=90)
    assert study.rungs == (3, 10)
    assert (study.sampler.name, study.seed, study.sampler.variants, study.sampler.batch) == ("bayes", 0, None, 4)
    assert (study.protection.secure_sum, study.protection.minimum_cohort) == (True, 3)
    assert (study.protection.ring_bits, study.protection.clip, study.protection.random_k) == (32, 16.0, 1.0)
    assert (study.split.train, study.split.validation, study.split.test) == (0.6, 0.2, 0.2)
    assert not study.public_data
    assert isinstance(study.schema, TableSchema)
    assert study.schema.header
    assert [column.kind for column in study.schema.features] == [ColumnKind.NUMBER, ColumnKind.CATEGORY]
    assert study.schema.class_names == ("no", "yes")
    assert study.schema.position("ill") == 3


@pytest.mark.parametrize(("written", "variants"), [("auto", None), (None, None), (1, 1), (64, 64)], ids=str)
def test_a_study_fixes_the_number_of_variants_or_leaves_it_to_the_sampler(
    written: object, variants: int | None
) -> None:
    study = parse_study(declared(sampler={"name": "bayes", "variants": written}), FACTS)
    assert study.sampler.variants == variants
    assert study.to_json()["sampler"]["variants"] == ("auto" if variants is None else variants)
    assert Study.from_json(json.loads(canonical_json(study.to_json()))) == study


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("atuo", "did you mean 'auto'?"),
        ("4", "must be a whole number or auto"),
        (0, "must lie between 1 and 64, not 0"),
        (65, "must lie between 1 and 64, not 65"),
        (2.5, "must be a whole number, not a number"),
        (True, "must be a whole number, not true or false"),
        (["auto"], "must be a whole number, not a list"),
    ],
    ids=str,
)
def test_a_number_of_variants_that_is_none_is_refused_where_it_stands(written: object, said: str) -> None:
    with pytest.raises(StudyError) as refused:
        parse_study(declared(sampler={"name": "bayes", "variants": written}), FACTS)
    assert refused.value.message.startswith("sampler.variants: ")
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("protection", "clip"), [({}, 16.0), ({"ring_bits": 16}, 1.0), ({"ring_bits": 16, "clip": 0.1}, 0.1)], ids=str
)
def test_sixteen_bits_have_a_clip_of_their_own(protection: Json, clip: float) -> None:
    """With the usual one, most of what they can say would lie above what any update says."""
    study = parse_study(declared(protection=protection), FACTS)
    assert study.protection.clip == clip
    assert Study.from_json(json.loads(canonical_json(study.to_json()))).protection == study.protection


def test_constraints_are_sorted_into_those_on_configurations_and_those_on_outcomes() -> None:
    study = parse_study(declared(), FACTS)
    assert [constraint.text for constraint in study.space.constraints] == ["width * prune <= 16"]
    assert [constraint.names for constraint in study.constraints] == [("size_mb",), ("latency_p95_ms", "width")]
    assert study.metrics == {"accuracy", "latency_p95_ms", "size_mb"}


CHANGES: dict[str, Json] = {
    "plain": {},
    "weighted": {"objectives": None, "weighted": {"accuracy": 0.75, "latency_p95_ms": 0.25}},
    "trusted": {"protection": {"secure_sum": "off", "minimum_cohort": 1, "ring_bits": 16, "clip": 2}},
    "sparse": {"protection": {"ring_bits": 16, "random_k": 0.1}},
    "options": {"model": {"name": "mlp", "options": {"layers": [8, 4], "dropout": 0.1, "bias": True}}},
    "reference": {"reference": {"tune": {"rate": 1}}},
    "image": {"schema": {"form": "image", "height": 8, "width": 8, "scale": 16, "classes": [0, 1]}},
    "sampler": {"sampler": "gp", "rungs": [2, 5], "budget": {"trials": 1, "wall": "0.25s"}},
    "conditions": {
        "search": {
            "tune": {"a": [1, 2], "b": {"same_as": "c"}, "c": {"type": "int", "min": 1, "max": 2, "when": {"a": 2}}}
        },
        "constraints": None,
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_canonical_form_reads_back_to_an_equal_study_with_the_same_hash(change: Json) -> None:
    study = parse_study(declared(**change), FACTS)
    sent = canonical_json(study.to_json())
    received = Study.from_json(json.loads(sent))
    assert received == study
    assert received.hash == study.hash == digest(sent)
    assert received.reference_configuration == study.reference_configuration


def test_spellings_do_not_change_the_hash() -> None:
    spelled = declared()
    spelled["search"]["tune"]["rate"] = {"type": "float", "min": 1e-4, "max": 1, "scale": "log"}
    spelled["search"]["tune"]["width"] = "choice(16, 32)"
    spelled["budget"]["wall"] = "90min"
    assert parse_study(spelled, FACTS).hash == parse_study(declared(), FACTS).hash


@pytest.mark.parametrize(
    "change",
    [
        {"workload_version": 4},
        {"data": "hearts2"},
        {"model": "logistic-regression"},
        {"rounds": 11},
        {"budget": {"trials": 5}},
        {"protection": {"minimum_cohort": 4}},
        {"protection": {"random_k": 0.5}},
        {"objectives": {"accuracy": "maximize"}},
        {"search": {"tune": {"width": [16, 64], "rate": "loguniform(1e-4, 1)"}}, "constraints": None},
        {"schema": {**DECLARED["schema"], "missing": []}},
        {"sampler": {"seed": 1}},
    ],
)
def test_whatever_a_site_approves_changes_the_hash(change: Json) -> None:
    assert parse_study(declared(**change), FACTS).hash != parse_study(declared(), FACTS).hash


def _spell_differently(form: Json) -> None:
    form["search"]["tune"][1] = {"name": "rate", "type": "float", "min": 0.0001, "max": 1, "scale": "log"}


def _add_key(form: Json) -> None:
    form["note"] = "hello"


def _drop_key(form: Json) -> None:
    del form["public_data"]


def _wrong_type(form: Json) -> None:
    form["rounds"] = "10"


def _clip_as_int(form: Json) -> None:
    form["protection"]["clip"] = 16


@pytest.mark.parametrize("spoil", [_spell_differently, _add_key, _drop_key, _wrong_type, _clip_as_int])
def test_any_other_form_is_refused_on_the_wire(spoil: Callable[[Json], None]) -> None:
    form = json.loads(canonical_json(parse_study(declared(), FACTS).to_json()))
    spoil(form)
    with pytest.raises(StudyError):
        Study.from_json(form)


@pytest.mark.parametrize("value", [None, [], "study", 3, {}, {"name": []}, {"search": {"tune": 3}}])
def test_what_is_no_study_is_refused(value: Any) -> None:
    with pytest.raises(StudyError):
        Study.from_json(value)


def test_a_weighted_sum_gets_the_usual_directions() -> None:
    study = parse_study(declared(objectives=None, weighted={"accuracy": 0.75, "loss": 0.25}), FACTS)
    assert study.objectives == (Objective("accuracy", Direction.MAXIMIZE), Objective("loss", Direction.MINIMIZE))


def test_a_declared_reference_may_be_partial() -> None:
    study = parse_study(declared(reference={"tune": {"rate": 1}, "deploy": {"prune": 0.1}}), FACTS)
    assert study.reference == Configuration({"width": 16, "rate": 1.0}, {"prune": 0.1, "quantization": "none"})
    assert study.reference_configuration is study.reference


@pytest.mark.parametrize(
    ("change", "place", "reason", "nearest"),
    [
        ({"naem": "x"}, "naem", "is not a key here", "name"),
        ({"name": "Hearts"}, "name", "lower-case", None),
        ({"data": None}, "study", "the key 'data' is missing", None),
        ({"rounds": True}, "rounds", "must be a whole number, not true or false", None),
        ({"rounds": 0}, "rounds", "between 1 and", None),
        ({"rungs": [3, 3]}, "rungs[1]", "between 4 and 10", None),
        ({"rungs": [11]}, "rungs[0]", "between 1 and 10", None),
        ({"budget": {"trials": 3, "wall": 150}}, "budget.wall", "with its unit", None),
        ({"budget": {"trials": 3, "wall": "0s"}}, "budget.wall", "above 0", None),
        ({"protection": {"secure_sum": "of"}}, "protection.secure_sum", "one of required, off", "off"),
        ({"protection": {"minimum_cohort": 2}}, "protection.minimum_cohort", "between 3", None),
        ({"protection": {"ring_bits": 24}}, "protection.ring_bits", "16 or 32", None),
        ({"protection": {"random_k": 0}}, "protection.random_k", "above 0 and at most at 1", None),
        ({"protection": {"random_k": 1.01}}, "protection.random_k", "above 0 and at most at 1", None),
        ({"protection": {"random_k": -0.5}}, "protection.random_k", "above 0 and at most at 1", None),
        ({"protection": {"random_k": "half"}}, "protection.random_k", "must be a number", None),
        ({"protection": {"random_k": True}}, "protection.random_k", "must be a number", None),
        ({"protection": {"randomk": 0.5}}, "protection.randomk", "is not a key here", "random_k"),
        ({"protection": {"ring_bits": 16, "clip": 0}}, "protection.clip", "above 0", None),
        ({"split": {"test": 0.3}}, "split", "must sum to 1", None),
        ({"objectives": {"acuracy": "maximize"}}, "objectives.acuracy", "is no metric of", "accuracy"),
        ({"objectives": {"accuracy": "maximise"}}, "objectives.accuracy", "must be one of", "maximize"),
        ({"objectives": None}, "study", "'objectives' and 'weighted'", None),
        ({"objectives": {}}, "objectives", "at least one", None),
        ({"weighted": {"accuracy": 1.0}}, "weighted", "leave `objectives` out", None),
        ({"objectives": None, "weighted": {"accuracy": 0.9}}, "weighted", "sum to 1, not 0.9", None),
        ({"device_classes": None}, "objectives.latency_p95_ms", "name them under device_classes", None),
        ({"device_classes": ["pi5", "pi5"]}, "device_classes", "twice", None),
        ({"constraints": ["size_mbb <= 1"]}, "constraints", "is no metric of", "size_mb"),
        ({"constraints": ["width <"]}, "constraints[0]", "is no expression", None),
        ({"constraints": ["width > 32"]}, "constraints[0]", "cannot hold: width is one of 16, 32", None),
        ({"search": {"tune": {"x": "uniform(2, 1)"}}}, "search.tune.x", "min 2 is above max 1", None),
        (
            {"search": {"tune": {"accuracy": [1]}}, "constraints": None},
            "search.tune.accuracy",
            "name of a metric",
            None,
        ),
        ({"search": {"tune": {"a": {"same_as": "bb"}, "b": [1]}}}, "search.tune.a", "does not exist", "b"),
        ({"reference": {"tune": {"widht": 16}}}, "reference.tune.widht", "is no parameter of tune", "width"),
        ({"reference": {"tune": {"width": 17}}}, "reference.tune.width", "not permitted", None),
        ({"schema": {**DECLARED["schema"], "columns": {"age": "nubmer"}}}, "schema.columns.age", "one of", "number"),
        ({"schema": {**DECLARED["schema"], "columns": {"age": "number"}}}, "schema.columns", "kind label", None),
        ({"schema": {"form": "image", "height": 8}}, "schema", "the key 'width' is missing", None),
    ],
)
def test_mistakes_are_named_with_their_place(change: Json, place: str, reason: str, nearest: str | None) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(declared(**change), FACTS)
    assert caught.value.data["path"] == place
    assert reason in caught.value.reason
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("rounds", "trials", "rungs"),
    [
        (10, 200, (1, 3, 10)),
        (10, 12, (1, 3, 10)),
        (27, 12, (3, 9, 27)),
        (27, 200, (1, 3, 9, 27)),
        (20, 9, (2, 7, 20)),
        (10, 3, (3, 10)),
        (10, 2, (10,)),
        (2, 100, (1, 2)),
        (1, 100, (1,)),
    ],
)
def test_rungs_follow_from_rounds_and_budget(rounds: int, trials: int, rungs: tuple[int, ...]) -> None:
    study = parse_study({**declared(), "rounds": rounds, "rungs": [], "budget": {"trials": trials}}, FACTS)
    assert study.rungs == rungs
    assert Study.from_json(study.to_json()) == study


def test_a_study_may_say_that_nothing_is_interrupted() -> None:
    assert parse_study({**declared(), "rungs": [10]}, FACTS).rungs == (10,)
