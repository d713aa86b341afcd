"""Chinese headlines (THUCNews) with a tokenizer that is built here: read, tokenized, trained, exported and counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from autoglm_core.configuration import Configuration, Values
from autoglm_core.measurement import Split
from autoglm_core.parse_study import parse_study
from autoglm_core.study import Study
from autoglm_core.workload import LocalRound, Vector, Workload
from autoglm_workloads.models.create import Sizes, create
from autoglm_workloads.models.describe import describe
from autoglm_workloads.models.shelf import ShelvedModel, put
from autoglm_workloads.registry import load_workload
from autoglm_workloads.text.tasks.api import Prepared
from support.text_models import on_shelf

DATA = Path(__file__).parents[3] / "shared" / "data" / "thucnews_titles"
CLASSES = "finance realty stocks education science society politics sports game entertainment".split()
ROWS = 3000
CHANCE = 0.1
SPECIAL = ("[PAD]", "[UNK]", "[EOS]")
TUNE: Values = {"method": "full", "learning_rate": 3e-3, "local_epochs": 4}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the headlines do not lie in {DATA.parent.name}")


@pytest.mark.timeout(240)
def test_headlines_are_told_apart_by_a_model_of_characters(tmp_path: Path) -> None:
    lines = (DATA / "dev.txt").read_text(encoding="utf-8").splitlines(keepends=True)[:ROWS]
    rows = tmp_path / "headlines.tsv"
    rows.write_text("".join(lines), encoding="utf-8")
    with on_shelf(tmp_path / "shelf"):
        study = declared(put(character_model(tmp_path, lines), describe=describe))
        workload = load_workload(study.workload)
        data = workload.site_side.load(rows, study)
        assert data.counted["cut"] == 0, "a headline has fewer characters than the model reads"
        trained = taught(workload, study, data)
        exported = workload.model_side.export(study, Configuration(TUNE), trained, {}, None)
        counters = workload.site_side.evaluate_model(data, study, exported.model, Split.TEST)
        scores = workload.model_side.score(counters, Split.TEST)
    assert scores["accuracy"].mean > 5 * CHANCE


def taught(workload: Workload, study: Study, data: Prepared) -> Vector:
    constants = workload.site_side.constants(data, study)
    initial = workload.model_side.initial(study, TUNE, bytes(32))
    outcome = workload.site_side.train(data, study, TUNE, initial, constants, LocalRound(1, bytes(32)))
    assert np.isfinite(outcome.parameters).all()
    return outcome.parameters


def character_model(folder: Path, lines: list[str]) -> Path:
    """A small BERT whose vocabulary is the characters of the headlines, the frequent ones."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    counts = Counter(letter for line in lines for letter in line.split("\t")[0])
    letters = [letter for letter, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:3000]]
    entries = dict.fromkeys([*SPECIAL, *letters])
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(entries)}, SPECIAL[1]))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    sizes = Sizes(hidden=64, layers=1, heads=4, inner=128, positions=32)
    return create("bert", folder / "characters", tokenizer=folder / "tokenizer.json", sizes=sizes, seed=1)


def declared(model: ShelvedModel) -> Study:
    classes = {name: [str(number)] for number, name in enumerate(CLASSES)}
    return parse_study(
        {
            "name": "headlines",
            "workload": "text-classification",
            "data": "headlines",
            "model": {"name": "characters", "options": {"content": model.content, "max_length": 32}},
            "schema": {
                "form": "text",
                "format": "tsv",
                "columns": ["text", "label"],
                "label": {"name": "label", "classes": classes},
            },
            "search": {"tune": {"method": ["full"]}},
            "objectives": {"accuracy": "maximize"},
            "rounds": 1,
            "budget": {"trials": 1},
        }
    )
