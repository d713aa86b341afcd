"""Texts, models and configurations that do not fit: who says so, in which words, and how the study goes on without.

One consortium for all: `york` has texts of one class alone, and `kent` allows its trainings less memory than the
smallest one takes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from autoglm.results import Result
from autoglm_core.canonical import Json
from support.consortium import Consortium, Member
from support.text_cases import COLOURS, LABELLED, TEXTS, model, shelf
from support.text_models import on_shelf, write_tokenizer

SITES = ("leeds", "york", "hull", "kent")
MAX_LENGTH = 12
SMALL = "[limits]\nmemory_gb = 0.55\n"
"""Enough to read texts and to count, not to train: an interpreter with torch alone is counted as 0.6 GB."""


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Four sites with texts, the roster accepted; the tiny model lies on every shelf."""
    data = '[data.texts]\npath = "data/texts.jsonl"\nworkload = "text-classification"\n[policy]\napproval = "ask"\n'
    members = [Member(name, data + (SMALL if name == "kent" else "")) for name in SITES]
    model("bert")
    with on_shelf(shelf()), Consortium(tmp_path_factory.mktemp("texts"), *members) as running:
        for name in SITES:
            texts_of(running, name).parent.mkdir()
            texts_of(running, name).write_text(rows(name))
        running.gather()
        yield running


def texts_of(consortium: Consortium, name: str) -> Path:
    return consortium[name].folder / "data" / "texts.jsonl"


def rows(name: str) -> str:
    colours = COLOURS[:1] if name == "york" else COLOURS
    texts = [(f"the {colour} fox lives in {number}", colour) for number in range(20) for colour in colours]
    return "".join(json.dumps({"text": text, "label": colour}) + "\n" for text, colour in texts)


def study_file(folder: Path, name: str, *, max_length: int = MAX_LENGTH, **tune: object) -> Path:
    """A study of one round over the four sites; `tune` beside a LoRA."""
    declared: Json = {
        "name": name,
        "workload": "text-classification",
        "data": "texts",
        "model": {"name": "tiny-bert", "options": {"content": model("bert").content, "max_length": max_length}},
        "schema": LABELLED.to_json(),
        "search": {"tune": {"method": ["lora"], "lora_targets": ["all"], "local_epochs": [2], **tune}},
        "objectives": {"accuracy": "maximize"},
        "rounds": 1,
        "budget": {"trials": 2},
        "sampler": {"name": "grid"},
        "protection": {"secure_sum": "required", "minimum_cohort": 3},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(declared))
    return path


def other_encoding(text: str) -> bytes:
    return text.replace("fox", "fjäll").encode("utf-16")


def other_label(text: str) -> bytes:
    return text.replace('"label": "red"', '"label": "purple"', 1).encode()


def empty(text: str) -> bytes:
    return b""


DAMAGES: dict[str, tuple[Callable[[str], bytes], str, str]] = {
    "leeds": (other_encoding, "schema-mismatch", "not in the declared encoding on line 1"),
    "york": (other_label, "schema-mismatch", "unknown class in the 2nd column that the study's schema names"),
    "hull": (empty, "data-empty", "no row to read"),
}
"""By site: what befell its texts, the code that the operator reads, and what its administrator reads."""


@contextmanager
def damaged(consortium: Consortium) -> Iterator[None]:
    with ExitStack() as mended:
        for name, (damage, _, _) in DAMAGES.items():
            path = texts_of(consortium, name)
            text = path.read_text()
            mended.callback(path.write_text, text)
            path.write_bytes(damage(text))
        yield


@pytest.mark.timeout(180)
def test_texts_that_do_not_fit_are_told_apart_and_their_words_stay_at_the_site(consortium: Consortium) -> None:
    file = study_file(consortium.operator.folder, "dry", learning_rate=[0.02])
    with damaged(consortium):
        done = consortium.operator.run("submit", file.name, "--dry-run")
        checked = consortium["leeds"].run("data", "check", "texts")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.returncode == 1
    assert "ok, would ask" in lines["kent"]
    for name, (_, code, told) in DAMAGES.items():
        assert f"refused: {code}: " in lines[name]
        assert told in (consortium.logs / f"{name}.log").read_text()
    assert checked.returncode == 1
    assert "not in the declared encoding on line 1" in checked.stdout
    said = done.stdout + consortium.logged()
    assert not any(word in said for word in ("purple", "fjäll", str(texts_of(consortium, "york").parent)))


def test_more_tokens_than_the_model_has_positions_are_refused_where_they_are_written(consortium: Consortium) -> None:
    file = study_file(consortium.operator.folder, "long", max_length=100, learning_rate=[0.02])
    line = next(place for place, text in enumerate(file.read_text().splitlines(), 1) if "max_length" in text)
    said = consortium.operator.refused("submit", file.name)
    assert f"long.yaml:{line}: model.options.max_length: must be at most 64: the model has 64 positions" in said


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_site_without_memory_and_a_trial_that_diverges_cost_the_study_neither_its_rounds_nor_its_end(
    consortium: Consortium,
) -> None:
    operator = consortium.operator
    file = study_file(operator.folder, "rates", learning_rate=[1e30, 0.02])
    study = operator.types("submit", file.name).split()[0]
    consortium.decide("approve", study, *SITES)
    assert consortium.wait_state(study, "completed", "failed", seconds=240) == "completed"
    result = Result.parse(consortium.client.result(study))
    trials = {trial.configuration.tune["learning_rate"]: trial for trial in result.trials}
    assert str(trials[0.02].state) == "completed"
    dropped = {stage.rounds: stage.dropped for stage in trials[0.02].stages if str(stage.name) == "TUNE"}
    assert dropped == {1: 1}, "all but the site without memory trained, the one with a single class too"
    assert json.loads(result.source)["data"]["single_class"] == 1
    error = trials[1e30].error
    assert str(trials[1e30].state) == "failed"
    assert error is not None
    assert error["code"] == "session-failed"
    # The first that diverges ends the session: with the one that refused, too few are left for a sum.
    assert re.fullmatch(r"diverged x\d, memory x1", str(error["declined"]))
    assert "diverged x" in operator.types("trials", study)
    log = consortium.logged()
    assert "[limits] memory_gb allows 0.55: raise it" in log
    assert 1 <= log.count("training diverged in local epoch") <= 3, "it would diverge again and is not tried again"


@pytest.mark.timeout(60)
def test_a_tokenizer_of_another_model_does_not_come_onto_the_shelf(consortium: Consortium, tmp_path: Path) -> None:
    shutil.copytree(model("bert").path, tmp_path / "mixed")
    write_tokenizer(tmp_path / "mixed" / "tokenizer.json", [*TEXTS, *(f"word{number}" for number in range(99))])
    said = consortium["leeds"].refused("models", "add", str(tmp_path / "mixed"))
    assert "take the tokenizer.json that belongs to these weights" in said
