"""Texts as a model was trained to see them: start tokens, blanks between words, and memory that grows with tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoglm_workloads.child.host import ChildProcess
from autoglm_workloads.models.byte_tokenizer import write_byte_tokenizer
from autoglm_workloads.text import tokens as module
from support.text_cases import TEXT_CASES, TextCase, shelf
from support.text_models import on_shelf, write_tokenizer
from support.text_tokenizers import BYTE_LEVEL, CORPUS, METASPACE, tokens, trained

WORDS = ["the", "fox", "lives", "in", "new", "york"]
TOKENIZERS = {
    "byte-level BPE, as of GPT-2, Llama 3, Qwen, GLM-4": trained(*BYTE_LEVEL),
    "the same with start tokens": trained(*BYTE_LEVEL, ("[gMASK]", "<sop>")),
    "metaspace, as of Llama 2": trained(*METASPACE, ("<s>",)),
    "WordPiece, as of BERT": lambda path: write_tokenizer(path, CORPUS),
    "bytes": write_byte_tokenizer,
}


@pytest.mark.parametrize("write", TOKENIZERS.values(), ids=TOKENIZERS)
def test_words_are_read_as_they_stand_in_a_text(write: Callable[[Path], Path], tmp_path: Path) -> None:
    ours = tokens(write(tmp_path / "tokenizer.json"))
    words, text = ours.words([WORDS]), ours.texts([" ".join(WORDS)])
    assert words.ids[0].tolist() == text.ids[0].tolist()
    assert ours.text(words.ids[0]) == " ".join(WORDS)
    for word, place in zip(WORDS, words.firsts[0], strict=True):
        begin = ours.text(words.ids[0][[place]]).strip().removeprefix("##")
        assert begin, "a blank alone says nothing of the word behind it"
        assert word.startswith(begin)


@pytest.mark.parametrize(
    ("write", "starts"),
    [(trained(*BYTE_LEVEL, ("[gMASK]", "<sop>")), 2), (trained(*BYTE_LEVEL), 0), (write_byte_tokenizer, 0)],
)
def test_the_start_tokens_are_what_the_tokenizer_puts_in_front(
    write: Callable[[Path], Path], starts: int, tmp_path: Path
) -> None:
    ours = tokens(write(tmp_path / "tokenizer.json"))
    assert ours.starts.size == starts
    assert [*ours.starts, *ours.plain(["the fox"])[0]] == ours.texts(["the fox"]).ids[0].tolist()


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tokens(write_tokenizer(tmp_path / "tokenizer.json", CORPUS), length=7)
    rows = [text.split() for text in CORPUS]

    def read() -> Iterator[list[Any]]:
        for found in (ours.texts(CORPUS), ours.texts(CORPUS, CORPUS[::-1]), ours.words(rows)):
            yield [found.cut, *(ids.tolist() for ids in found.ids)]
        yield [ids.tolist() for ids in ours.plain(CORPUS)]

    whole = list(read())
    monkeypatch.setattr(module, "BLOCK", 7)
    assert list(read()) == whole
    assert whole[0][0] == 40, "texts of more than five tokens and two special ones are cut"


MEGABYTE = 2**20


def test_many_long_texts_are_read_in_the_memory_that_a_site_allows(tmp_path: Path) -> None:
    case = TEXT_CASES["text-classification"]
    assert isinstance(case, TextCase)
    text = "the red fox lives in new york and the blue dog in paris " * 36
    with (tmp_path / "rows.jsonl").open("w") as file:
        for row in range(3000):
            file.write(json.dumps({"text": f"{row} {text}", "label": ("red", "green", "blue")[row % 3]}) + "\n")
    meta = {"study": case.study.to_json(), "data": str(tmp_path / "rows.jsonl")}

    async def story() -> None:
        async with ChildProcess(tasks="autoglm_workloads.site_tasks:TABLE", memory_bytes=256 * MEGABYTE) as child:
            reply = await child.call("load", meta, timeout=100)
            assert "rows: 3000 read, 3000 kept" in reply.meta["report"][0]

    with on_shelf(shelf()):
        asyncio.run(story())
