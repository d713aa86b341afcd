"""Texts dealt out to simulated sites: who holds which rows, in the study's own format.

A published split stays what it is: test rows go to sites by the same rule as training rows, and together the sites
hold the whole of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoglm.errors import TextsMissing, TooFewSites
from autoglm.sharding import dirichlet_split, iid_split
from autoglm.site_splits import KEYED, PARTS, ColumnSplit, DirichletSplit, IidSplit
from autoglm.text_files import write_texts
from autoglm_core.text_schema import TextSchema
from autoglm_workloads.errors import DataMismatch, DataMissing
from autoglm_workloads.text.data.examples import Example, ExampleReader
from autoglm_workloads.text.data.reading import read_records
from autoglm_workloads.text.data.records import Record

SLUG = re.compile(r"[^a-z0-9]+")
LONGEST_SLUG = 48


@dataclass(frozen=True)
class TextShard:
    """The texts of the site `name`: records by part of a published split, under `""` where there is none."""

    name: str
    schema: TextSchema
    parts: Mapping[str, Sequence[Record]]

    def write(self, path: Path) -> Path:
        """Write them at `path`, with a suffix or as a folder; returns what was written."""
        return write_texts(self.parts, self.schema, path)


@dataclass(frozen=True)
class _Row:
    part: str
    record: Record


def shard_texts(
    data: Mapping[str, Path], schema: TextSchema, *, split: DirichletSplit | IidSplit | ColumnSplit, sites: int
) -> list[TextShard]:
    """The sites' shares of `data`, a path by part of a published split, or `""` for one file or folder.

    Raises:
        TextsMissing: a path leads nowhere.
        DataError: a file cannot be read with this schema.
        SplitImpossible, TooFewSites: the rows do not suffice for so many sites.
    """
    column = split.column if isinstance(split, ColumnSplit) else None
    rows = list(_rows(data, schema, column))
    if isinstance(split, ColumnSplit):
        return [_shard(name, schema, group) for name, group in _named_groups(rows, schema, split.column, sites)]
    labels, parts = _labels_and_parts(rows, schema)
    if isinstance(split, DirichletSplit):
        dealt = dirichlet_split(labels, sites=sites, alpha=split.alpha, seed=split.seed, parts=parts)
    else:
        dealt = iid_split(labels.size, sites=sites, seed=split.seed, parts=parts)
    return [_shard(f"site-{site}", schema, [rows[row] for row in own]) for site, own in enumerate(dealt, start=1)]


def _shard(name: str, schema: TextSchema, rows: Iterable[_Row]) -> TextShard:
    parts: dict[str, list[Record]] = {}
    for row in rows:
        parts.setdefault(row.part, []).append(row.record)
    return TextShard(name, schema, parts)


def _rows(data: Mapping[str, Path], schema: TextSchema, column: str | None) -> Iterator[_Row]:
    columns = schema.used if column is None or column in schema.used else (*schema.used, column)
    for given, path in data.items():
        if not path.exists():
            raise TextsMissing(path=str(path))
        if path.suffix == KEYED and column is not None:
            yield from (_Row(given, record) for record in _keyed(path, schema.text, column))
        else:
            for part, record in read_records(path, schema, columns):
                yield _Row(given or part or "", record)


def _keyed(path: Path, text: str, column: str) -> Iterator[Record]:
    """A JSON mapping from the value of `column` to a list of texts."""
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise DataMissing() from error
    except (ValueError, RecursionError) as error:
        raise DataMismatch(reason="not JSON") from error
    if not isinstance(entries, dict) or not all(isinstance(texts, list) for texts in entries.values()):
        raise DataMismatch(reason="not a mapping from names to lists of texts")
    for name, texts in entries.items():
        for value in texts:
            if not isinstance(value, str):
                raise DataMismatch(reason="not a mapping from names to lists of texts")
            yield Record(0, {text: value, column: name})


def _labels_and_parts(rows: Sequence[_Row], schema: TextSchema) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`(rows,)` each: class, -1 of a row that every site will leave out; part by its place in `PARTS`."""
    reader = ExampleReader(schema)
    read = [reader.read(row.record, row.part or None) for row in rows]
    labels = [example.label if isinstance(example, Example) else -1 for example in read]
    named = [
        example.split if isinstance(example, Example) else row.part for example, row in zip(read, rows, strict=True)
    ]
    parts = [PARTS.index(name) if name else 0 for name in named]
    return np.array(labels, np.int64), np.array(parts, np.int64)


def _named_groups(
    rows: Sequence[_Row], schema: TextSchema, column: str, sites: int
) -> Iterator[tuple[str, list[_Row]]]:
    """The `sites` values of `column` with most text to train on, each with its rows in file order."""
    sizes: Counter[str] = Counter()
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        value = row.record.cells[column]
        if not isinstance(value, str) or not value.strip():
            continue
        groups.setdefault(value, []).append(row)
        if row.part in ("", "train"):
            sizes[value] += sum(map(len, row.record.cells[schema.text] or ""))
    chosen = sorted(sizes, key=lambda value: (-sizes[value], value))[:sites]
    if len(chosen) < sites:
        raise TooFewSites(found=len(chosen), sites=sites)
    taken: Counter[str] = Counter()
    for value in chosen:
        slug = SLUG.sub("-", value.lower()).strip("-")[:LONGEST_SLUG] or "site"
        taken[slug] += 1
        yield slug if taken[slug] == 1 else f"{slug}-{taken[slug]}", groups[value]
