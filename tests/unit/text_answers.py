"""What a language model is asked and trained on: start tokens in front, the whole prompt, a line end behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_core.measurement import Split
from autoglm_core.study import Study
from autoglm_core.text_cleaning import Cleaning, Whitespace
from autoglm_core.text_schema import TextSchema
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text.data.quality import quality_of
from autoglm_workloads.text.data.rows import TextRows
from autoglm_workloads.text.tasks.answering import Answering
from autoglm_workloads.text.tasks.api import Predictor
from autoglm_workloads.text.tasks.language import LanguageModelling
from autoglm_workloads.text.tokens import LEFT_OUT, Ids
from support.text_cases import TEXT_CASES
from support.text_tokenizers import BYTE_LEVEL, tokens, trained

STARTS = ("[gMASK]", "<sop>")
LONG = "where does the fox live in new york " * 4


def study(whitespace: Whitespace = Whitespace.LINES) -> Study:
    found = TEXT_CASES["text-generation"].study
    assert isinstance(found.schema, TextSchema)
    return replace(found, schema=replace(found.schema, cleaning=Cleaning(whitespace=whitespace)))


def rows(texts: list[str], references: list[str] | None = None) -> TextRows:
    """All of them test rows."""
    none, labels = np.zeros(0, np.int64), np.zeros(len(texts), np.int64)
    splits = SplitRows(none, none, np.arange(len(texts)))
    quality = quality_of(len(texts), {}, (), labels, splits, [len(text) for text in texts])
    return TextRows(tuple(texts), None, labels, None, None, tuple(references or ()) or None, splits, quality)


def asked(task: Answering, prepared: Any, decoding: dict[str, Any]) -> list[list[int]]:
    """The prompts as the model sees them; in its place a function that always says token 5 and remembers."""
    seen: list[list[int]] = []

    def logits(ids: Ids) -> np.ndarray[Any, np.dtype[np.float32]]:
        seen.extend(row[row != prepared.tokens.pad].tolist() for row in ids)
        answer = np.zeros((*ids.shape, 700), np.float32)
        answer[..., 5] = 9
        return answer

    task.count(Predictor(logits, {"decoding": decoding}), prepared, study(), Split.TEST)
    return seen


DECODING = {
    **{"strategy": "greedy", "max_new_tokens": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "beams": 1},
    **{"length_penalty": 1.0, "repetition_penalty": 1.0},
}


def test_what_a_model_is_asked_does_not_depend_on_the_answer_that_it_should_give(tmp_path: Path) -> None:
    ours = tokens(trained(*BYTE_LEVEL, STARTS)(tmp_path / "tokenizer.json"), length=16)
    task = Answering()
    prepared = task.prepare(rows([LONG, LONG], ["paris", "the dog lives in new york in paris"]), ours, study())
    short, long = asked(task, prepared, DECODING)[:2]
    assert short == long
    assert short[:2] == ours.starts.tolist()
    assert len(short) == 15, "all of the window but the new token"
    assert prepared.counted["cut"] == 2


@pytest.mark.parametrize(("whitespace", "behind"), [(Whitespace.LINES, "\n"), (Whitespace.KEEP, "")])
def test_a_row_is_start_tokens_prompt_line_end_and_answer(tmp_path: Path, whitespace: Whitespace, behind: str) -> None:
    ours = tokens(trained(*BYTE_LEVEL, STARTS)(tmp_path / "tokenizer.json"))
    task = Answering()
    prepared = task.prepare(rows(["where does the fox live"], [" in paris"]), ours, study(whitespace))
    (row,) = prepared.ids
    assert row[:2].tolist() == ours.starts.tolist()
    assert ours.text(row) == f"where does the fox live{behind} in paris"
    assert task.notes(study(whitespace), study().reference_configuration, {})["behind_prompt"] == behind


def test_only_the_answer_counts_in_training(tmp_path: Path) -> None:
    ours = tokens(trained(*BYTE_LEVEL, STARTS)(tmp_path / "tokenizer.json"))
    prepared = Answering().prepare(rows(["where does the fox live"], [" in paris"]), ours, study())
    labels = Answering().lesson(prepared, study(), {}, None, {}).targets(np.array([0]))  # type: ignore[arg-type]
    assert ours.text(labels[labels != LEFT_OUT]) == " in paris"


def test_each_text_of_a_corpus_begins_as_the_model_was_trained(tmp_path: Path) -> None:
    ours = tokens(trained(*BYTE_LEVEL, STARTS)(tmp_path / "tokenizer.json"), length=64)
    prepared = LanguageModelling().prepare(rows(["the fox", "the dog"]), ours, TEXT_CASES["causal-lm"].study)
    (row,) = prepared.ids
    first, second = ours.texts(["the fox", "the dog"]).ids
    assert row.tolist() == [*first, *second]
