"""What every format gives: records with named cells, before anything is checked against the schema's target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from autoglm_core.text_schema import TextSchema

Cell = str | tuple[str, ...] | None
"""A text, a list of texts (words or tags), or nothing."""


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file.

    `line`: in the file, from 1 (of CoNLL the first of its lines); 0 where the format has no lines. `cells`: by column,
    those that were asked for. `damaged`: whether bytes were not in the declared encoding.
    """

    line: int
    cells: Mapping[str, Cell]
    damaged: bool = False


class Reader(Protocol):
    """Reads the records of one file; raises `DataError`s."""

    def __call__(self, path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
        """In file order, with the cells of `columns`; of a training these are `schema.used`."""
        ...
