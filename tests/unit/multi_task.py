"""Several tasks under one model: what is learned of them, what a site may lack, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_core.configuration import Values
from autoglm_core.counters import without_prefix
from autoglm_core.measurement import Split
from autoglm_core.objective import Direction, Objective
from autoglm_core.space import CategoricalParameter, SearchSpace
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_target import TextLabel
from autoglm_core.workload import LocalRound, Vector
from autoglm_workloads.errors import DataEmpty, DataMismatch, DataMissing
from autoglm_workloads.multi_task import WORKLOAD
from support.text_cases import COLOURS, LABELLED, PLAIN, TEXT_CASES, TextCase, shelf
from support.text_models import on_shelf
from support.workload_cases import summed

SEED, AT = bytes(32), LocalRound(1, bytes(range(32)))
MODEL, SITE = WORKLOAD.model_side, WORKLOAD.site_side
ENTITIES, INTENT = "entities/token-classification", "intent/text-classification"


@pytest.fixture(autouse=True)
def models() -> Iterator[None]:
    with on_shelf(shelf()):
        yield


@pytest.fixture
def case() -> TextCase:
    found = TEXT_CASES["multi-task"]
    assert isinstance(found, TextCase)
    return found


@dataclass(frozen=True)
class Trained:
    before: dict[str, Vector]
    after: dict[str, Vector]
    weight: int


def trained(study: Study, data: Any, tune: Values, parameters: Vector | None = None) -> Trained:
    layout = MODEL.layout(study, tune)
    start = MODEL.initial(study, tune, SEED) if parameters is None else parameters
    outcome = SITE.train(data, study, tune, start, SITE.constants(data, study), AT)
    return Trained(layout.split(start), layout.split(outcome.parameters), outcome.weight)


def two_labels(folder: Path, rows: int = 60) -> tuple[Study, Any]:
    """A colour that stands in the text, and one drawn at random."""
    draws = np.random.default_rng(3)
    for name in ("plain", "random"):
        lines = []
        for number in range(rows):
            shown = str(draws.choice(COLOURS))
            label = shown if name == "plain" else str(draws.choice(COLOURS))
            lines.append(json.dumps({"text": f"the {shown} fox {number}", "label": label}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    schema = TasksSchema((("plain", LABELLED), ("random", LABELLED)))
    study = replace(TEXT_CASES["multi-task"].study, schema=schema)
    study = replace(study, objectives=(Objective("plain_accuracy", Direction.MAXIMIZE),))
    return study, SITE.load(folder, study)


def test_a_task_that_cannot_be_learned_is_found_uncertain(tmp_path: Path) -> None:
    study, data = two_labels(tmp_path)
    tune: Values = {"method": "full", "learning_rate": 0.01, "local_epochs": 15}
    after = trained(study, data, tune).after
    assert after["uncertainty.plain"] < after["uncertainty.random"] - 0.1
    equal = trained(study, data, {**tune, "uncertainty": False})
    for name in ("uncertainty.plain", "uncertainty.random"):
        assert equal.after[name] == equal.before[name]


def test_logits_of_texts_alone_stand_beside_each_other(tmp_path: Path) -> None:
    import torch

    from autoglm_workloads.text.networks import network_of
    from autoglm_workloads.text.tasks.multi import MultiTask

    study, data = two_labels(tmp_path, rows=20)
    network = network_of(MultiTask(), study, {})
    network.load(MODEL.initial(study, {}, SEED))
    ids = torch.from_numpy(np.stack([data.ids[0], data.ids[1]]))
    with torch.inference_mode():
        plain, random = network(ids, "plain"), network(ids, "random")
        expected = torch.cat([plain, random], dim=1)
        torch.testing.assert_close(network.answer(ids), expected)
        torch.testing.assert_close(network.merged_answer()(ids), expected)


def test_the_loss_of_a_batch_is_that_of_kendall_gal_and_cipolla(case: TextCase, tmp_path: Path) -> None:
    import torch

    from autoglm_workloads.text.networks import network_of
    from autoglm_workloads.text.tasks.multi import MultiTask
    from autoglm_workloads.text.tasks.parts import parts_of
    from autoglm_workloads.text.tokens import padded
    from autoglm_workloads.text.training.options import TextOptions

    study, tune = case.study, {**case.tune, "entities_crf": False}
    folder = case.write(tmp_path, 1)
    lines = (folder / "intent.jsonl").read_text().splitlines(keepends=True)
    (folder / "intent.jsonl").write_text("".join(lines[:20]))  # each task weighs the same, however few its rows
    data = SITE.load(folder, study)
    constants = SITE.constants(data, study)
    network = network_of(MultiTask(), study, tune)
    tensors = network.layout.split(MODEL.initial(study, tune, SEED))
    uncertainties = {"entities": 0.7, "intent": -0.4}
    tensors |= {f"uncertainty.{name}": np.array(value, np.float32) for name, value in uncertainties.items()}
    network.load(network.layout.join(tensors))
    rows = data.splits.train
    lesson = MultiTask().lesson(data, study, tune, TextOptions(), constants)
    ids = torch.from_numpy(padded([data.ids[row] for row in rows], data.tokens.pad))
    loss = lesson.loss(network, ids, torch.from_numpy(lesson.targets(rows)))
    expected, reported = 0.0, 0.0
    for part, own in zip(parts_of(study), data.targets.parts, strict=True):
        mine = own.splits.train
        alone = part.task.lesson(own, part.study, part.own(tune), TextOptions(), without_prefix(constants, part.prefix))
        ids = torch.from_numpy(padded([own.ids[row] for row in mine], data.tokens.pad))
        found = alone.loss(network, ids, torch.from_numpy(alone.targets(mine)))
        value = uncertainties[part.name]
        expected += (np.exp(-value) * found.mean.item() + value / 2) / 2
        reported += found.mean.item() * mine.size
    assert loss.units == rows.size
    assert loss.mean.item() == pytest.approx(expected, rel=1e-5)
    assert float(loss.total) == pytest.approx(reported, rel=1e-5)


def test_a_site_without_rows_of_a_task_trains_the_others(case: TextCase, tmp_path: Path) -> None:
    study, tune = case.study, case.tune
    whole = SITE.load(case.write(tmp_path, 1), study)
    folder = case.write(tmp_path, 2)
    (folder / "entities.jsonl").unlink()
    lacking = SITE.load(folder, study)
    assert any("entities" in line and "no row to read" in line for line in lacking.report())
    counted = SITE.constants(lacking, study)
    assert counted[f"{ENTITIES}/rows"] == 0
    assert counted[f"{INTENT}/rows"] == counted["rows"] == counted["classes"].sum() > 0
    found = trained(study, lacking, tune)
    assert found.weight == counted["rows"]
    changed = {name for name, value in found.after.items() if not np.array_equal(value, found.before[name])}
    assert {"head.intent.weight", "uncertainty.intent"} < changed
    assert not [name for name in changed if "entities" in name]
    constants = SITE.constants(whole, study)
    parameters = MODEL.initial(study, tune, SEED)
    parts = [SITE.evaluate(data, study, tune, parameters, constants, Split.TRAIN) for data in (whole, lacking)]
    scores = MODEL.score(summed(MODEL.evaluate_layout(study), parts), Split.TRAIN)
    assert scores["entities_f1"].count == parts[0][f"{ENTITIES}/rows"]
    assert scores["intent_accuracy"].count == sum(part[f"{INTENT}/rows"] for part in parts)
    assert scores["entities_mean_site_f1"].mean == pytest.approx(scores["entities_f1"].mean), "of one site"


def test_why_all_rows_of_a_task_went_is_told_and_counted(case: TextCase, tmp_path: Path) -> None:
    study, folder = case.study, case.write(tmp_path, 2)
    whole = SITE.constants(SITE.load(folder, study), study)
    (folder / "intent.jsonl").write_text('{"text": "", "label": "red"}\n' * 3 + '{"text": "a", "label": null}\n')
    data = SITE.load(folder, study)
    told = "task intent: 4 rows read, none usable for training: 3 empty, 1 unlabelled; the site trains the other tasks"
    assert told in data.report()
    counted = SITE.constants(data, study)
    assert [float(counted[f"dropped/{reason}"]) for reason in ("empty", "unlabelled")] == [3, 1]
    assert counted["rows_read"] < whole["rows_read"]
    (folder / "entities.jsonl").write_text("")
    with pytest.raises(DataEmpty, match="4 rows read, none usable for training: 1 unlabelled, 3 empty"):
        SITE.load(folder, study)


def test_what_is_no_folder_of_these_tasks_is_refused(case: TextCase, tmp_path: Path) -> None:
    study, folder = case.study, case.write(tmp_path, 1)
    with pytest.raises(DataMissing):
        SITE.load(tmp_path / "nowhere", study)
    with pytest.raises(DataMismatch, match="no folder with an entry for each task"):
        SITE.load(folder / "intent.jsonl", study)
    (folder / ".notes").write_text("left alone")
    SITE.load(folder, study)
    shutil.copyfile(folder / "intent.jsonl", folder / "intents.jsonl")
    with pytest.raises(DataMismatch, match="the name of no task"):
        SITE.load(folder, study)
    (folder / "intents.jsonl").rename(folder / "intent.json")
    with pytest.raises(DataMismatch, match="the name of one task"):
        SITE.load(folder, study)
    (folder / "intent.json").unlink()
    (folder / "intent.jsonl").write_text('{"text": "no label"}\n')
    with pytest.raises(DataMismatch, match="of the intent file"):
        SITE.load(folder, study)
    for entry in folder.iterdir():
        entry.unlink()
    with pytest.raises(DataEmpty):
        SITE.load(folder, study)


def refused(study: Study) -> StudyError:
    with pytest.raises(StudyError) as caught:
        MODEL.check(study)
    return caught.value


def test_tasks_of_language_need_a_study_of_their_own(case: TextCase) -> None:
    schema = TasksSchema((("corpus", PLAIN), ("intent", LABELLED)))
    error = refused(replace(case.study, schema=schema))
    assert error.data["path"] == "schema.tasks.corpus"
    assert "causal-lm" in error.reason
    assert refused(replace(case.study, schema=LABELLED)).data["path"] == "schema"


@pytest.mark.parametrize(
    ("parameter", "nearest"),
    [
        (CategoricalParameter("entities_tags", ("bio", "bmes")), None),
        (CategoricalParameter("intent_tags", ("bio",)), "entities_tags"),
        (CategoricalParameter("crf", (True,)), None),
        (CategoricalParameter("uncertainty", ("on", "off")), None),
    ],
)
def test_parameters_carry_the_name_of_their_task(
    case: TextCase, parameter: CategoricalParameter, nearest: str | None
) -> None:
    error = refused(replace(case.study, space=SearchSpace((parameter,), ())))
    assert error.data["path"] == f"search.tune.{parameter.name}"
    assert error.nearest == nearest


def test_auroc_is_a_metric_of_two_classes_only(case: TextCase) -> None:
    two = replace(LABELLED, target=TextLabel("label", (("red", ("red",)), ("green", ("green",)))))
    schema = TasksSchema((("binary", two), ("intent", LABELLED)))
    metrics = MODEL.metrics(replace(case.study, schema=schema))
    assert "binary_auroc" in metrics
    assert "intent_auroc" not in metrics
