"""Several tasks dealt out to simulated sites, and the example of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm.site_splits import DirichletSplit, IidSplit, parse_sites
from autoglm.study_file import load_study
from autoglm.tasks_sharding import shard_tasks
from autoglm_core.canonical import Json
from autoglm_core.parse_schema import parse_schema
from autoglm_core.section import Section
from autoglm_core.study import SplitSpec
from autoglm_core.study_error import StudyError
from autoglm_core.tasks_schema import TasksSchema
from autoglm_workloads.text.data.reading import read_texts
from autoglm_workloads.text.tasks.task_rows import task_entries
from support.agent_sites import toy_study

EXAMPLE = Path(__file__).parents[2] / "examples" / "multi-task.yaml"
LABEL = {"form": "text", "format": "jsonl", "label": {"name": "label", "classes": [0, 1]}}
TAGS = {"form": "text", "format": "conll", "tags": {"name": "tag", "scheme": "bio", "entities": ["thing"]}}


def schema() -> TasksSchema:
    found = parse_schema({"form": "tasks", "tasks": {"intent": LABEL, "entities": TAGS}})
    assert isinstance(found, TasksSchema)
    return found


@pytest.mark.parametrize("split", [DirichletSplit(1.0, seed=7), IidSplit(seed=7)])
def test_together_the_sites_hold_every_row_of_every_task(split: DirichletSplit | IidSplit, tmp_path: Path) -> None:
    rows = [{"text": f"row number {number}", "label": number % 2} for number in range(200)]
    for part, some in (("train", rows[:150]), ("test", rows[150:])):
        (tmp_path / "intent").mkdir(exist_ok=True)
        (tmp_path / "intent" / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    words = "".join(f"word\tO\nnumber{number}\tB-thing\n\n" for number in range(150))
    (tmp_path / "entities.conll").write_text(words)
    data = {"intent": tmp_path / "intent", "entities": tmp_path / "entities.conll"}
    shards = shard_tasks(data, schema(), split=split, sites=3)
    assert [shard.name for shard in shards] == ["site-1", "site-2", "site-3"]
    held: Counter[str] = Counter()
    for shard in shards:
        entries = task_entries(shard.write(tmp_path / shard.name), ["entities", "intent"])
        for task, own in schema():
            held.update(read_texts(entries[task], own, SplitSpec()).texts)
    assert held == Counter([f"row number {number}" for number in range(200)]) + Counter(
        f"word number{number}" for number in range(150)
    )


@pytest.mark.parametrize(
    ("sites", "place", "reason"),
    [
        ({"count": 3, "split": {"iid": True}}, "sites.data", "is missing"),
        ({"data": "texts", "count": 3, "split": {"iid": True}}, "sites.data", "a mapping"),
        ({"data": {"intent": "a"}, "count": 3, "split": {"iid": True}}, "sites.data", "'entities' is missing"),
        (
            {"data": {"intent": "a", "entitis": "b"}, "count": 3, "split": {"iid": True}},
            "sites.data.entitis",
            "'entities'",
        ),
        ({"data": {"intent": "a", "entities": "b"}, "count": 3, "split": {"by": "text"}}, "sites.split.by", "one task"),
    ],
)
def test_sites_that_cannot_be_made_are_refused(sites: Json, place: str, reason: str) -> None:
    study = replace(toy_study(), schema=schema())
    with pytest.raises(StudyError, match=reason) as caught:
        parse_sites(Section(sites, ("sites",), ("count", "split", "data", "files")), study, Path())
    assert caught.value.data["path"] == place


def test_the_example_fits_its_workload() -> None:
    loaded = load_study(EXAMPLE)
    assert loaded.simulate is not None
    assert set(loaded.simulate.data) == {"entities", "intent"}
    assert "intent_accuracy" in loaded.study.metrics
