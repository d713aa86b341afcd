"""JSON lines, delimited tables, plain lines and CoNLL, as records."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_core.text_cleaning import LONGEST_TEXT
from autoglm_core.text_schema import Separator, TextFormat, TextUnit
from autoglm_workloads.errors import DataMismatch
from autoglm_workloads.text.data.lines import Lines
from autoglm_workloads.text.data.records import Cell, Record

if TYPE_CHECKING:
    from autoglm_core.text_schema import TextSchema


SPACES = re.compile(r"[ \t]+")
"""Not every white space: a word may hold a space that does not break."""


def read_jsonl(path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
    """An object on each line that is not blank."""
    lines = Lines(path, schema)
    for line in lines:
        if not line.strip():
            continue
        yield Record(lines.number, _json_cells(line, columns, lines.number), lines.damaged)
        lines.damaged = False


def _json_cells(line: str, columns: Sequence[str], number: int) -> dict[str, Cell]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataMismatch(reason="not JSON", line=number) from error
    if not isinstance(entry, dict):
        raise DataMismatch(reason="not a JSON object", line=number)
    cells = {}
    for place, name in enumerate(columns, start=1):
        if name not in entry:
            raise DataMismatch(reason="key missing", column=place, line=number)
        cells[name] = cell_of(entry[name], column=place, line=number)
    return cells


def cell_of(value: object, *, column: int, line: int) -> Cell:
    """A value of a format with types as a cell; numbers are read as their shortest text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value, column=column, line=line)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise DataMismatch(reason="neither a text, a number nor a list of texts", column=column, line=line)


def _number(value: float, *, column: int, line: int) -> str:
    try:
        return repr(value)
    except ValueError as error:  # Python prints no whole number of more than 4,300 digits
        raise DataMismatch(reason="number too long", column=column, line=line) from error


def read_table(path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
    """CSV or TSV; the first line names the columns unless the schema does."""
    lines = Lines(path, schema)
    rows = _csv_rows(lines) if schema.format is TextFormat.CSV else _tsv_rows(lines)
    names: Sequence[str] = schema.columns
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if not names:
            names = _header(row, columns, lines.number)
            continue
        if len(row) != len(names):
            raise DataMismatch(reason="wrong number of cells", line=lines.number)
        cells = dict(zip(names, row, strict=True))
        yield Record(lines.number, {name: cells[name] for name in columns}, lines.damaged)
        lines.damaged = False


def _csv_rows(lines: Lines) -> Iterator[list[str]]:
    reader = csv.reader(lines, strict=True)
    with _long_fields():
        try:
            yield from reader
        except csv.Error as error:
            raise DataMismatch(reason="not comma-separated values", line=lines.number) from error


@contextmanager
def _long_fields() -> Iterator[None]:
    """The module's limit for a cell, 131,072 letters, is less than a long document."""
    before = csv.field_size_limit(LONGEST_TEXT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _tsv_rows(lines: Lines) -> Iterator[list[str]]:
    return (line.removesuffix("\n").split("\t") for line in lines)


def _header(row: Sequence[str], columns: Sequence[str], line: int) -> list[str]:
    found = [cell.strip() for cell in row]
    for place, name in enumerate(columns, start=1):
        if found.count(name) != 1:
            raise DataMismatch(reason="column not in the header exactly once", column=place, line=line)
    return found


def read_lines(path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
    """Plain lines: a text each, or its columns; or paragraphs between blank lines."""
    lines = Lines(path, schema)
    if schema.unit is TextUnit.PARAGRAPH:
        yield from _paragraphs(lines, schema.text)
        return
    for line in lines:
        if line.strip():
            cells = _line_cells(line.removesuffix("\n"), schema, lines.number)
            yield Record(lines.number, {name: cells[name] for name in columns}, lines.damaged)
            lines.damaged = False


def _line_cells(line: str, schema: TextSchema, number: int) -> dict[str, Cell]:
    if not schema.columns:
        return {schema.text: line}
    last = len(schema.columns) - 1
    if schema.separator is Separator.TAB:
        parts = line.split("\t", last)
    else:
        parts = SPACES.split(line.lstrip(" \t"), maxsplit=last)
    if len(parts) != len(schema.columns):
        raise DataMismatch(reason="wrong number of cells", line=number)
    return dict(zip(schema.columns, parts, strict=True))


def _paragraphs(lines: Lines, text: str) -> Iterator[Record]:
    for begin, block in _blocks(lines):
        yield Record(begin, {text: "".join(block)}, lines.damaged)
        lines.damaged = False


def _blocks(lines: Lines) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and the lines, between blank ones; of no more than `LONGEST_TEXT` characters."""
    block: list[str] = []
    size = 0
    for line in lines:
        if line.strip():
            block.append(line)
            size += len(line)
            if size > LONGEST_TEXT:
                raise DataMismatch(reason="text too long", line=lines.number)
        elif block:
            yield lines.number - len(block), block
            block, size = [], 0
    if block:
        yield lines.number - len(block) + 1, block


def read_conll(path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
    """Sentences between blank lines, a word on each line."""
    lines = Lines(path, schema)
    places = {name: schema.columns.index(name) for name in columns}
    for begin, block in _blocks(lines):
        rows = [_word_cells(line, schema, begin + offset) for offset, line in enumerate(block)]
        cells = {name: tuple(row[place] for row in rows) for name, place in places.items()}
        yield Record(begin, cells, lines.damaged)
        lines.damaged = False


def _word_cells(line: str, schema: TextSchema, number: int) -> list[str]:
    text = line.removesuffix("\n")
    cells = text.split("\t") if schema.separator is Separator.TAB else SPACES.split(text.strip(" \t"))
    if len(cells) != len(schema.columns):
        raise DataMismatch(reason="wrong number of cells", line=number)
    return cells
