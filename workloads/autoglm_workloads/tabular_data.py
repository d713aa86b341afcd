"""Reading a site's CSV file against the study's schema.

Nothing is inferred: the schema says which columns there are, which categories and classes, what counts as missing.
Cells are compared in a canonical form, so that a site that writes `1.0` and one that writes `1` mean the same category.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.chain import Array
from autoglm_core.schema import Column, ColumnKind, MissingRows, TableSchema
from autoglm_workloads.errors import DataEmpty, DataMismatch, DataMissing
from autoglm_workloads.family import LabelledRows
from autoglm_workloads.splitting import PUBLISHED, split_rows

if TYPE_CHECKING:
    from autoglm_core.study import SplitSpec

Row = Sequence[str]
LARGEST = float(np.finfo(np.float32).max)


def canonical(cell: str) -> str:
    """A cell without outer spaces; numbers in their shortest form."""
    text = cell.strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return repr(number) if isfinite(number) else text


@dataclass(frozen=True)
class _Example:
    """One usable row: `inputs` `(features,)`, class number, content for the split's hash, published split if any."""

    inputs: Array
    label: int
    key: bytes
    split: str | None


@dataclass(frozen=True)
class TableReader:
    """A schema, prepared for reading rows."""

    schema: TableSchema

    @cached_property
    def missing(self) -> frozenset[str]:
        """Canonical cells that stand for no value; an empty cell always does."""
        return frozenset({"", *map(canonical, self.schema.missing)})

    @cached_property
    def features(self) -> tuple[tuple[int, Column], ...]:
        """Columns that become inputs, with their position in the schema."""
        return tuple((self.schema.position(column.name), column) for column in self.schema.features)

    @cached_property
    def classes(self) -> Mapping[str, int]:
        """Class number by canonical raw label."""
        return {canonical(raw): number for number, (_, raws) in enumerate(self.schema.label.classes) for raw in raws}

    def read(self, path: Path, spec: SplitSpec) -> LabelledRows:
        """All usable rows of the file.

        Raises:
            DataMissing: it cannot be opened.
            DataMismatch: it does not have the schema's form.
            DataEmpty: no training row is left.
        """
        places, rows = self._open(path)
        examples = [example for line, row in rows if (example := self._example(row, places, line)) is not None]
        if not examples:
            raise DataEmpty(rows=len(rows), dropped={"with missing values": len(rows)})
        labels = np.array([example.label for example in examples], np.int64)
        published = [example.split for example in examples if example.split is not None]
        splits = split_rows([example.key for example in examples], labels, spec, published or None)
        if not splits.train.size:
            raise DataEmpty(rows=len(examples))
        return LabelledRows(np.stack([example.inputs for example in examples]), labels, splits)

    def _open(self, path: Path) -> tuple[dict[str, int], list[tuple[int, Row]]]:
        """Position in the file by column name, and the rows with their line numbers."""
        rows = _file_rows(path)
        names = [column.name for column in self.schema.columns]
        if rows and self.schema.header:
            names = self._header(rows.pop(0)[1])
        if not rows:
            raise DataEmpty()
        for line, row in rows:
            if len(row) != len(names):
                raise DataMismatch(reason="wrong number of cells", line=line)
        return {name: place for place, name in enumerate(names)}, rows

    def _header(self, row: Row) -> list[str]:
        """Names in the file's order, which may differ from the schema's; their set may not."""
        found = [cell.strip() for cell in row]
        for number, column in enumerate(self.schema.columns, start=1):
            if found.count(column.name) != 1:
                raise DataMismatch(reason="column not in the header exactly once", column=number, line=1)
        if len(found) != len(self.schema.columns):
            raise DataMismatch(reason="header with columns that the schema does not have", line=1)
        return found

    def _example(self, row: Row, places: Mapping[str, int], line: int) -> _Example | None:
        """The row as an example; None if it is dropped."""
        inputs = self._encode(row, places, line)
        label = canonical(row[places[self.schema.label.name]])
        if inputs is None or label in self.missing:
            return None
        if label not in self.classes:
            raise self._mismatch("unknown class", self.schema.label.name, line)
        split = self._split(row, places, line)
        key = "\x1f".join(canonical(row[places[column.name]]) for column in self.schema.columns)
        return _Example(inputs, self.classes[label], key.encode(), split)

    def _split(self, row: Row, places: Mapping[str, int], line: int) -> str | None:
        column = self.schema.split_column
        name = None if column is None else row[places[column]].strip().lower()
        if column is not None and name not in PUBLISHED:
            raise self._mismatch("split is none of train, validation, test", column, line)
        return name

    def _mismatch(self, reason: str, column: str, line: int) -> DataMismatch:
        return DataMismatch(reason=reason, column=self.schema.position(column) + 1, line=line)

    def _encode(self, row: Row, places: Mapping[str, int], line: int) -> Array | None:
        """The row's inputs, NaN where a number is to be imputed; None if the row is dropped for a missing value."""
        values: list[float] = []
        for place, column in self.features:
            cell = canonical(row[places[column.name]])
            if cell in self.missing and self.schema.missing_rows is MissingRows.DROP:
                return None
            values += _encode_cell(column, None if cell in self.missing else cell, place=place, line=line)
        return np.array(values, np.float32)


def feature_count(schema: TableSchema) -> int:
    """Inputs of a row: one for a number, one less than its categories for a category (the first is the reference)."""
    return sum(1 if column.kind is ColumnKind.NUMBER else len(column.categories) - 1 for column in schema.features)


def _file_rows(path: Path) -> list[tuple[int, Row]]:
    """Rows that are not blank, with their line numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise DataMissing() from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataMismatch(reason="not a table of comma-separated values in UTF-8") from error


def _encode_cell(column: Column, cell: str | None, *, place: int, line: int) -> list[float]:
    if column.kind is ColumnKind.NUMBER:
        return [_number(cell, place=place, line=line)]
    width = len(column.categories) - 1
    if cell is None:
        return [0.0] * width
    known = [canonical(category) for category in column.categories]
    if cell not in known:
        raise DataMismatch(reason="unknown category", column=place + 1, line=line)
    return [float(cell == category) for category in known[1:]]


def _number(cell: str | None, *, place: int, line: int) -> float:
    if cell is None:
        return float("nan")
    try:
        value = float(cell)
    except ValueError as error:
        raise DataMismatch(reason="not a number", column=place + 1, line=line) from error
    if not abs(value) <= LARGEST:
        raise DataMismatch(reason="not a finite number", column=place + 1, line=line)
    return value
