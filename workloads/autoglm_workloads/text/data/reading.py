"""Reading a site's texts against the study's schema: decode, clean, filter, remove duplicates, split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoglm_core.text_schema import TextFormat, TextSchema
from autoglm_workloads.errors import DataEmpty, DataMismatch
from autoglm_workloads.splitting import split_rows
from autoglm_workloads.text.data.arrow import read_arrow
from autoglm_workloads.text.data.cleaning import Drop
from autoglm_workloads.text.data.duplicates import duplicate_rows
from autoglm_workloads.text.data.examples import Example, ExampleReader
from autoglm_workloads.text.data.files import split_files
from autoglm_workloads.text.data.line_formats import read_conll, read_jsonl, read_lines, read_table
from autoglm_workloads.text.data.quality import quality_of
from autoglm_workloads.text.data.records import Reader, Record
from autoglm_workloads.text.data.rows import TextRows
from autoglm_workloads.text.data.saved_datasets import dataset_files

if TYPE_CHECKING:
    from autoglm_core.study import SplitSpec

READERS: Mapping[TextFormat, Reader] = {
    TextFormat.JSONL: read_jsonl,
    TextFormat.CSV: read_table,
    TextFormat.TSV: read_table,
    TextFormat.LINES: read_lines,
    TextFormat.CONLL: read_conll,
    TextFormat.PARQUET: read_arrow,
    TextFormat.DATASETS: read_arrow,
}

MOST_ROWS = 10_000_000
"""A small Parquet file can claim more rows than any machine holds."""


def read_texts(path: Path, schema: TextSchema, spec: SplitSpec) -> TextRows:
    """All usable rows of the file `path`, or of a folder with a file for each part of a published split.

    Raises:
        DataMissing: it cannot be opened.
        DataMismatch: it does not have the schema's form.
        DataEmpty: no training row is left.
    """
    dropped: Counter[Drop] = Counter()
    examples = _examples(path, schema, dropped)
    read = len(examples) + dropped.total()
    doubled = duplicate_rows(examples, schema.cleaning.duplicates)
    dropped.update(doubled.values())
    examples = [example for row, example in enumerate(examples) if row not in doubled]
    if not examples:
        raise DataEmpty(rows=read, dropped=_counts(dropped))
    labels = np.array([example.label for example in examples], np.int64)
    published = [example.split for example in examples if example.split is not None]
    splits = split_rows([example.key for example in examples], labels, spec, published or None)
    if not splits.train.size:
        raise DataEmpty(rows=read, dropped=_counts(dropped))
    lengths = [len(example.text) for example in examples]
    return TextRows(
        texts=tuple(example.text for example in examples),
        pairs=tuple(example.pair for example in examples if example.pair is not None) or None,
        labels=labels,
        words=tuple(example.words for example in examples if example.words is not None) or None,
        tags=tuple(example.tags for example in examples if example.tags is not None) or None,
        references=tuple(example.reference for example in examples if example.reference is not None) or None,
        splits=splits,
        quality=quality_of(read, dropped, schema.class_names, labels, splits, lengths),
    )


def read_records(path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[tuple[str | None, Record]]:
    """Each row as it stands in its file, with the published split that its file is for; raises as `read_texts`."""
    files = dataset_files(path) if schema.format is TextFormat.DATASETS else split_files(path)
    if schema.split_column is not None and None not in files:
        raise DataMismatch(reason="a file for each split and a split column too")
    for split, paths in files.items():
        for file in paths:
            with _placed(split):
                for record in READERS[schema.format](file, schema, columns):
                    yield split, record


def _examples(path: Path, schema: TextSchema, dropped: Counter[Drop]) -> list[Example]:
    """Rows that pass all filters, in file order; the others are counted in `dropped`."""
    reader, examples = ExampleReader(schema), list[Example]()
    for split, record in read_records(path, schema, schema.used):
        with _placed(split):
            example = reader.read(record, split)
        if isinstance(example, Drop):
            dropped[example] += 1
        else:
            examples.append(example)
        if len(examples) + dropped.total() > MOST_ROWS:
            raise DataMismatch(reason="too many rows for one site")
    return examples


def _counts(dropped: Mapping[Drop, int]) -> dict[str, int]:
    return {str(reason): count for reason, count in dropped.items()}


@contextmanager
def _placed(split: str | None) -> Iterator[None]:
    """Errors say in which file of a published split."""
    try:
        yield
    except DataMismatch as error:
        raise (error if split is None else error.inside(split)) from error.__cause__
