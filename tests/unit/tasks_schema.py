"""Schemas of several tasks: what may be declared, where mistakes are, and what their metrics are taken for."""

from __future__ import annotations

from typing import Any

import pytest

from autoglm_core.canonical import canonical_json
from autoglm_core.constraint import Constraint
from autoglm_core.objective import Direction, is_fraction, usual_direction
from autoglm_core.parameter import NAME
from autoglm_core.parse_schema import parse_schema
from autoglm_core.study_error import StudyError
from autoglm_core.tasks_schema import TasksSchema, of_task

INTENT = {"form": "text", "format": "csv", "label": {"name": "intent", "classes": ["pay", "other"]}}
ENTITIES = {"form": "text", "format": "conll", "tags": {"name": "ner", "scheme": "bio", "entities": ["person"]}}
BOTH = {"intent": INTENT, "entities": ENTITIES}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no tasks": ({}, "schema", "'tasks'"),
    "one task": ({"tasks": {"intent": INTENT}}, "schema.tasks", "2 to 8"),
    "nine tasks": ({"tasks": {f"task{number}": INTENT for number in range(9)}}, "schema.tasks", "2 to 8"),
    "a key that is none": ({"tasks": BOTH, "encoding": "utf-8"}, "schema.encoding", "not a key"),
    "a task's key that is none": (
        {"tasks": {**BOTH, "intent": {**INTENT, "lable": 1}}},
        "schema.tasks.intent.lable",
        "'label'",
    ),
    "a table": (
        {"tasks": {**BOTH, "risk": {"form": "table"}}},
        "schema.tasks.risk.form",
        "must be one of text",
    ),
    "what a text schema refuses": (
        {"tasks": {**BOTH, "entities": {**ENTITIES, "format": "csv"}}},
        "schema.tasks.entities.tags",
        "holds no list",
    ),
    "a name with an underscore": ({"tasks": {**BOTH, "my_task": INTENT}}, "schema.tasks.my_task", "lower-case"),
    "the aggregator's prefix": ({"tasks": {**BOTH, "server": INTENT}}, "schema.tasks.server", "aggregator"),
}


@pytest.mark.parametrize(("keys", "place", "reason"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused_where_it_stands(keys: dict[str, Any], place: str, reason: str) -> None:
    with pytest.raises(StudyError, match=reason) as caught:
        parse_schema({"form": "tasks", **keys})
    assert caught.value.data["path"] == place


def test_the_canonical_form_reads_back_and_knows_no_order() -> None:
    schema = parse_schema({"form": "tasks", "tasks": BOTH})
    turned = parse_schema({"form": "tasks", "tasks": dict(reversed(BOTH.items()))})
    assert isinstance(schema, TasksSchema)
    assert [name for name, _ in schema] == ["entities", "intent"]
    assert parse_schema(schema.to_json()) == schema == turned
    assert canonical_json(turned.to_json()) == canonical_json(schema.to_json())
    assert schema.hash == turned.hash


def test_names_of_tasks_stand_in_constraints_and_parameters() -> None:
    metric = of_task("intent", "accuracy")
    assert Constraint(f"{metric} >= 0.9 and {of_task('entities', 'crf')}").names == ("entities_crf", "intent_accuracy")
    assert NAME.fullmatch(metric)


@pytest.mark.parametrize(
    ("metric", "direction", "fraction"),
    [
        ("intent_accuracy", Direction.MAXIMIZE, True),
        ("entities_f1", Direction.MAXIMIZE, True),
        ("entities_f1_spread", Direction.MINIMIZE, False),
        ("intent_loss", Direction.MINIMIZE, False),
        ("intent_mean_site_accuracy", Direction.MAXIMIZE, False),
        ("intent_balanced_accuracy", Direction.MAXIMIZE, True),
    ],
)
def test_a_tasks_metric_is_taken_for_what_it_is(metric: str, direction: Direction, fraction: bool) -> None:
    assert usual_direction(metric) is direction
    assert is_fraction(metric) is fraction
