"""Records against the schema: which become rows, as what, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from autoglm_core.label_column import LabelColumn
from autoglm_core.text_cleaning import Undecodable
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import ReferenceColumn, TagColumn, TagScheme, TextLabel
from autoglm_workloads.errors import DataMismatch
from autoglm_workloads.tabular_data import canonical
from autoglm_workloads.text.data.cleaning import LONE, Clean, Drop, clean_words, cleaner, refused
from autoglm_workloads.text.data.records import Cell, Record
from autoglm_workloads.text.data.split_names import SPLIT_NAMES
from autoglm_workloads.text.tags import BadTags, strict_spans, tags_of


@dataclass(frozen=True)
class Example:
    """A row: `text` (or `words` and their BIO `tags`), `pair`, `label`, `reference`, published `split` if any."""

    text: str
    pair: str | None = None
    label: int = 0
    words: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    reference: str | None = None
    split: str | None = None

    @cached_property
    def key(self) -> bytes:
        """Content, for the hash that splits."""
        parts = (self.text, self.pair or "", str(self.label), *(self.tags or ()), self.reference or "")
        return "\x1f".join(parts).encode()


@dataclass(frozen=True)
class ExampleReader:
    """A schema, prepared for reading records."""

    schema: TextSchema

    @cached_property
    def clean(self) -> Clean:
        """Cleans one text."""
        return cleaner(self.schema.cleaning)

    @cached_property
    def classes(self) -> Mapping[str, int]:
        """Class number by canonical raw label."""
        target = self.schema.target
        named = target.classes if isinstance(target, LabelColumn) else ()
        return {canonical(raw): number for number, (_, raws) in enumerate(named) for raw in raws}

    def read(self, record: Record, split: str | None = None) -> Example | Drop:
        """The record as a row, or why it is left out; `split` is that of its file."""
        if self._damaged(record):
            return Drop.UNDECODABLE
        target = self.schema.target
        cell = None if target is None else record.cells[target.name]
        if target is not None and (cell is None or (isinstance(cell, str) and not cell.strip())):
            return Drop.UNLABELLED
        split = self._split(record) if self.schema.split_column is not None else split
        if isinstance(target, TagColumn):
            return self._tagged(record, target, split)
        text, pair = self._text(record, self.schema.text), None
        if self.schema.pair is not None:
            pair = self._text(record, self.schema.pair)
        drop = refused(text, self.schema.cleaning) or (Drop.EMPTY if pair == "" else None)
        if drop is not None:
            return drop
        label = self._label(record, target) if isinstance(target, TextLabel) else 0
        reference = self._text(record, target.name) if isinstance(target, ReferenceColumn) else None
        return Drop.UNLABELLED if reference == "" else Example(text, pair, label, reference=reference, split=split)

    def _damaged(self, record: Record) -> bool:
        """JSON can hold what no encoding does, so it is looked at here."""
        policy = self.schema.cleaning.undecodable
        if policy is Undecodable.REPLACE:
            return False
        cells = [text for cell in record.cells.values() if cell for text in ([cell] if isinstance(cell, str) else cell)]
        damaged = record.damaged or any(LONE.search(text) for text in cells)
        if damaged and policy is Undecodable.REFUSE:
            raise DataMismatch(reason="half of a surrogate pair", line=record.line)
        return damaged

    def _text(self, record: Record, column: str) -> str:
        cell = record.cells[column]
        if isinstance(cell, tuple):
            raise self._mismatch("a list where a text is declared", column, record)
        return self.clean(cell or "")

    def _label(self, record: Record, target: TextLabel) -> int:
        cell = record.cells[target.name]
        if isinstance(cell, tuple):
            raise self._mismatch("a list where a text is declared", target.name, record)
        raw = canonical((cell or "").split(target.until)[0] if target.until else cell or "")
        if raw not in self.classes:
            raise self._mismatch("unknown class", target.name, record)
        return self.classes[raw]

    def _tagged(self, record: Record, target: TagColumn, split: str | None) -> Example | Drop:
        words, tags = self._list(record, self.schema.text), self._list(record, target.name)
        if len(words) != len(tags):
            raise self._mismatch("not as many tags as words", target.name, record)
        if not words:
            return Drop.EMPTY
        try:
            found = strict_spans(tags, target.scheme)
        except BadTags as error:
            line = record.line + error.position if record.line else 0
            raise DataMismatch(reason="tag not of the declared scheme", column=2, line=line) from error
        if any(span.entity not in target.entities for span in found):
            raise self._mismatch("unknown type of span", target.name, record)
        clean = clean_words(words, self.clean)
        text = " ".join(clean)
        drop = refused(text, self.schema.cleaning)
        return drop or Example(text, words=clean, tags=tags_of(found, len(words), TagScheme.BIO), split=split)

    def _list(self, record: Record, column: str) -> tuple[str, ...]:
        cell = record.cells[column]
        if not isinstance(cell, tuple):
            raise self._mismatch("no list of texts where one is declared", column, record)
        return cell

    def _split(self, record: Record) -> str:
        cell: Cell = record.cells[str(self.schema.split_column)]
        name = cell.strip().lower() if isinstance(cell, str) else ""
        if name not in SPLIT_NAMES:
            raise self._mismatch("split is none of train, validation, test", str(self.schema.split_column), record)
        return SPLIT_NAMES[name]

    def _mismatch(self, reason: str, column: str, record: Record) -> DataMismatch:
        return DataMismatch(reason=reason, column=self.schema.used.index(column) + 1, line=record.line)
