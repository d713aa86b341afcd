"""The parsers of a site's texts: a file in each format, the description of a saved dataset, and HTML."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from autoglm.text_files import write_texts
from autoglm_core.parse_schema import parse_schema
from autoglm_core.study import SplitSpec
from autoglm_core.text_schema import TextSchema
from autoglm_workloads.errors import DataError
from autoglm_workloads.text.data.html_text import text_of_html
from autoglm_workloads.text.data.reading import read_texts
from autoglm_workloads.text.data.records import Cell, Record
from support.parser_contract import Parser

LABEL = {"name": "label", "classes": {"bad": [0], "good": [1, "fine"]}}
TAGS = {"name": "tags", "scheme": "bioes", "entities": ["town", "ship"]}
ROWS = (("A <b>quiet</b> day", "1"), ("Zwei Wörter, 三個字", "0"), ('said "no", twice', "1"))
SENTENCES = (
    (("the", "ship", "St.", "Mary"), ("O", "O", "B-ship", "E-ship")),
    (("to", "Ulm", "and", "back"), ("O", "S-town", "O", "O")),
)
MEMORY = (256, 1024 * 1024)
"""A row costs an object, its cells and its cleaned text, however short it is; a chunk of a file 64 KiB."""


def schema_of(form: str, **keys: Any) -> TextSchema:
    """A schema of that format with a label, unless `keys` say otherwise."""
    schema = parse_schema({"form": "text", "format": form, **({} if "tags" in keys else {"label": LABEL}), **keys})
    assert isinstance(schema, TextSchema)
    return schema


SCHEMAS = {
    "jsonl": schema_of("jsonl", cleaning={"html": True, "duplicates": "near", "scripts": ["latin"]}),
    "csv": schema_of("csv", cleaning={"undecodable": "drop"}),
    "tsv": schema_of("tsv", columns=["label", "text"], encoding="gb18030", cleaning={"undecodable": "replace"}),
    "lines": schema_of("lines", columns=["label", "text"], separator="space"),
    "conll": schema_of("conll", tags=TAGS, columns=["text", "lemma", "tags"]),
    "parquet": schema_of("parquet", text="words", tags={**TAGS, "name": "label"}),
    "datasets": schema_of("datasets"),
}


def records_of(schema: TextSchema) -> list[Record]:
    """Rows that fit `schema`."""
    assert schema.target is not None
    rows: tuple[tuple[Cell, Cell], ...] = SENTENCES if schema.class_names == () else ROWS
    return [Record(0, {schema.text: first, schema.target.name: second}) for first, second in rows]


def sample(schema: TextSchema, times: int = 1) -> bytes:
    """A file of that many times the rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_texts({"": records_of(schema) * times}, schema, Path(folder, "rows"))
        return (path / "data.arrow" if path.is_dir() else path).read_bytes()


def _read(schema: TextSchema, data: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = write_texts({"": records_of(schema)}, schema, Path(folder, "rows"))
        (path / "data.arrow" if path.is_dir() else path).write_bytes(data)
        return read_texts(path, schema, SplitSpec())


def _described(name: str, data: bytes) -> object:
    schema = SCHEMAS["datasets"]
    with tempfile.TemporaryDirectory() as folder:
        path = write_texts({"train": records_of(schema)}, schema, Path(folder, "rows"))
        (path / name).write_bytes(data)
        return read_texts(path, schema, SplitSpec())


def _reading(name: str) -> Parser:
    schema = SCHEMAS[name]
    binary = name in ("parquet", "datasets")
    return Parser(
        f"text-{name}",
        partial(_read, schema),
        (DataError,),
        lambda: [sample(schema), sample(schema, times=3)],
        memory=MEMORY,
        grow=None if binary else partial(_grown, schema),
        bomb=2048,
    )


def _grown(schema: TextSchema, size: int) -> bytes:
    alone = sample(schema)
    return sample(schema, times=1 + size // len(alone))


def _html(data: bytes) -> str:
    return text_of_html(data.decode(errors="replace"))


_description: Callable[[str], Callable[[bytes], object]] = lambda name: partial(_described, name)  # noqa: E731
TEXTS = (
    *map(_reading, SCHEMAS),
    Parser("dataset-splits", _description("dataset_dict.json"), (DataError,), lambda: [b'{"splits": ["train", "x"]}'],
           memory=MEMORY, bomb=2048),
    Parser("dataset-state", _description("train/state.json"), (DataError,),
           lambda: [b'{"_data_files": [{"filename": "data.arrow"}]}'], memory=MEMORY, bomb=2048),
    Parser("html", _html, (), lambda: [b"<p title='a>b'>one &amp; two<br>x<script>if (a < b)</script> 3 &lt; 4"],
           memory=(64, 256 * 1024)),
)  # fmt: skip
