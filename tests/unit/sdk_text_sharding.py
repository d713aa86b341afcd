"""Texts dealt out to simulated sites: nothing is lost, and a published split stays what it is."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm.errors import SplitImpossible, TextsMissing, TooFewSites
from autoglm.run_folder import RunFolder
from autoglm.sharding import dirichlet_split, iid_split
from autoglm.simulate import Simulation, prepare_agents
from autoglm.simulate_spec import SimulateSpec
from autoglm.site_splits import ColumnSplit, DirichletSplit, IidSplit, NaturalSplit, SiteSplit, parse_sites
from autoglm.text_sharding import shard_texts
from autoglm_core.section import Section
from autoglm_core.study import SplitSpec, Study
from autoglm_core.study_error import StudyError
from autoglm_core.text_cleaning import Duplicates
from autoglm_core.text_schema import TextSchema
from autoglm_workloads.errors import DataMismatch
from autoglm_workloads.text.data.reading import read_texts
from support.agent_sites import toy_study
from support.parsers_texts import SCHEMAS, records_of, sample, schema_of

SPEC = SplitSpec()
KEEP = {"duplicates": "none"}


def texts_at(shards: Any, schema: TextSchema, folder: Path) -> dict[str, dict[str, list[str]]]:
    """What each site reads from what was written for it, by part."""
    found = {}
    for shard in shards:
        rows = read_texts(shard.write(folder / shard.name), schema, SPEC)
        parts = ("train", "validation", "test")
        found[shard.name] = {part: sorted(rows.texts[row] for row in getattr(rows.splits, part)) for part in parts}
    return found


def rows_of(count: int, word: str) -> list[tuple[str, int]]:
    return [(f"{word} number {number}", number % 3) for number in range(count)]


def published(folder: Path) -> Path:
    for part, count in (("train", 300), ("test", 90)):
        folder.mkdir(exist_ok=True)
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows_of(count, part)]
        (folder / f"{part}.jsonl").write_text("\n".join(lines))
    return folder


THREE = {"name": "label", "classes": [0, 1, 2]}


@pytest.mark.parametrize("split", [DirichletSplit(0.5, seed=7), IidSplit(seed=7)])
def test_together_the_sites_hold_the_whole_published_test_set(split: DirichletSplit | IidSplit, tmp_path: Path) -> None:
    schema = schema_of("jsonl", label=THREE)
    data = {"": published(tmp_path / "whole")}
    first, again = (shard_texts(data, schema, split=split, sites=4) for _ in range(2))
    assert first == again
    sites = texts_at(first, schema, tmp_path / "sites")
    assert list(sites) == ["site-1", "site-2", "site-3", "site-4"]
    assert Counter(text for site in sites.values() for text in site["test"]) == Counter(
        text for text, _ in rows_of(90, "test")
    )
    assert sum(len(site["train"]) + len(site["validation"]) for site in sites.values()) == 300


def test_a_site_is_tested_on_the_classes_that_it_trains_on() -> None:
    labels, parts = np.tile(np.arange(3), 400), np.repeat([0, 0, 2], 400)
    for own in dirichlet_split(labels, sites=4, alpha=0.3, seed=3, parts=parts):
        shares = [np.bincount(labels[own][parts[own] == part], minlength=3) / 400 for part in (0, 2)]
        assert shares[0] / 2 == pytest.approx(shares[1], abs=0.01)


def test_iid_sites_are_of_one_size() -> None:
    sites = iid_split(1000, sites=3, seed=1, parts=np.repeat([0, 2], 500))
    assert sorted(map(len, sites)) == [332, 334, 334]
    assert sorted(np.concatenate(sites)) == list(range(1000))
    with pytest.raises(SplitImpossible):
        iid_split(50, sites=3, seed=1)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_format_is_written_so_that_it_reads_back(name: str, tmp_path: Path) -> None:
    whole = SCHEMAS[name]
    schema = replace(whole, cleaning=replace(whole.cleaning, duplicates=Duplicates.NONE))
    body = sample(schema, times=40)
    source = tmp_path / "whole"
    if name == "datasets":
        source.mkdir()
        (source / "data.arrow").write_bytes(body)
        (source / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    else:
        source.write_bytes(body)
    shards = shard_texts({"train": source, "test": source}, schema, split=IidSplit(3), sites=3)
    assert [set(shard.parts) for shard in shards] == [{"train", "test"}] * 3
    paths = [shard.write(tmp_path / shard.name) for shard in shards]
    counted = [read_texts(path, schema, SPEC).quality.read for path in paths]
    assert sum(counted) == 80 * len(records_of(schema))


def test_the_sites_of_a_column_are_those_with_most_text(tmp_path: Path) -> None:
    plays = {
        "First Lord": ["a b c"] * 3,
        "KING!": ["long live\nthe king", "me"] * 9,
        "Fool": ["ha"],
        "king": ["x" * 50],
    }
    path = tmp_path / "plays.json"
    path.write_text(json.dumps(plays))
    schema = schema_of("jsonl", label=None, cleaning=KEEP)
    shards = shard_texts({"": path}, schema, split=ColumnSplit("speaker"), sites=3)
    assert [shard.name for shard in shards] == ["king", "king-2", "first-lord"]
    sites = texts_at(shards, schema, tmp_path / "sites")
    assert sum(map(len, sites["king"].values())) == 18
    with pytest.raises(TooFewSites, match="4 values"):
        shard_texts({"": path}, schema, split=ColumnSplit("speaker"), sites=5)


def test_a_column_that_the_study_does_not_train_on_may_name_the_sites(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("ward,text,label\n" + "".join(f"w{row % 3},text {row},{row % 2}\n" for row in range(60)))
    shards = shard_texts({"": path}, schema_of("csv"), split=ColumnSplit("ward"), sites=3)
    assert {shard.name for shard in shards} == {"w0", "w1", "w2"}
    sites = texts_at(shards, schema_of("csv"), tmp_path / "sites")
    assert sorted(text for part in sites["w1"].values() for text in part) == sorted(
        f"text {n}" for n in range(1, 60, 3)
    )


def test_what_no_site_could_read_is_refused_before_any_starts(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\na,1\nb,7\n")
    with pytest.raises(DataMismatch, match=r"unknown class in the 2nd column .* on line 3"):
        shard_texts({"": path}, schema_of("csv"), split=IidSplit(), sites=3)
    with pytest.raises(TextsMissing, match=r"absent.*simulate\.sites\.data"):
        shard_texts({"": tmp_path / "absent"}, schema_of("csv"), split=IidSplit(), sites=3)


def data_of(config: Path) -> Path:
    """Where an agent of the run finds its rows."""
    (source,) = tomllib.loads(config.read_text())["data"].values()
    return config.parent / str(source["path"])


def test_each_simulated_agent_finds_its_own_texts_below_its_own_folder(tmp_path: Path) -> None:
    schema = schema_of("jsonl", label=THREE)
    study, run = text_study(schema), RunFolder(tmp_path / "run")
    spec = SimulateSpec(sites=3, split=IidSplit(1), devices={}, data={"": published(tmp_path / "whole")})
    agents = prepare_agents(Simulation(study, spec), run)
    read = [read_texts(data_of(agent.config), schema, SPEC) for agent in agents]
    assert [rows.quality.kept for rows in read] == [130] * 3
    assert [rows.quality.rows[2] for rows in read] == [30] * 3
    assert json.loads(json.dumps(spec.to_json()))["data"] == {"": str(tmp_path / "whole")}


def test_a_site_may_bring_a_folder_of_its_own(tmp_path: Path) -> None:
    schema = schema_of("jsonl", label=THREE)
    files = {f"ward-{number}": published(tmp_path / f"ward-{number}") for number in range(3)}
    simulation = Simulation(text_study(schema), SimulateSpec(sites=3, split=NaturalSplit(files), devices={}))
    for agent in prepare_agents(simulation, RunFolder(tmp_path / "run")):
        assert read_texts(data_of(agent.config), schema, SPEC).quality.rows[2] == 90


def text_study(schema: TextSchema) -> Study:
    study = toy_study()
    object.__setattr__(study, "schema", schema)  # no text workload takes part here
    return study


DECLARED: dict[str, tuple[dict[str, Any], SiteSplit]] = {
    "dirichlet": ({"data": "x", "count": 3, "split": {"dirichlet": 0.5, "seed": 7}}, DirichletSplit(0.5, 7)),
    "iid": ({"data": {"train": "x", "test": "y"}, "count": 3, "split": {"iid": True}}, IidSplit(0)),
    "by": ({"data": "x", "count": 3, "split": {"by": "ward"}}, ColumnSplit("ward")),
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no data": ({"count": 3, "split": {"iid": True}}, "simulate.sites.data"),
    "no train": ({"data": {"test": "x"}, "count": 3, "split": {"iid": True}}, "part train is missing"),
    "no such part": ({"data": {"tests": "x"}, "count": 3, "split": {"iid": True}}, "did you mean 'test'"),
    "two kinds": ({"data": "x", "count": 3, "split": {"iid": True, "by": "a"}}, "exactly one"),
    "seeded column": ({"data": "x", "count": 3, "split": {"by": "a", "seed": 1}}, "split.seed"),
    "not iid": ({"data": "x", "count": 3, "split": {"iid": False}}, "split.iid"),
    "labels of a mapping": ({"data": "x.json", "count": 3, "split": {"by": "a"}}, "no column but the text"),
}


@pytest.mark.parametrize(("sites", "split"), DECLARED.values(), ids=DECLARED)
def test_sites_of_texts_are_declared(sites: dict[str, Any], split: SiteSplit, tmp_path: Path) -> None:
    parsed = parse_sites(Section(sites, ("simulate", "sites"), tuple(sites)), text_study(schema_of("csv")), tmp_path)
    assert (parsed.count, parsed.split) == (3, split)
    assert all(path.is_relative_to(tmp_path.resolve()) for path in parsed.data.values())


@pytest.mark.parametrize(("sites", "words"), WRONG.values(), ids=WRONG)
def test_sites_that_cannot_be_meant_are_refused(sites: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=words):
        parse_sites(Section(sites, ("simulate", "sites"), tuple(sites)), text_study(schema_of("csv")), tmp_path)
