"""What the texts of a study look like, and how they are cleaned: the same at every site, never inferred.

Cleaning is part of the schema, not of a site's preparation: two sites that strip HTML in two ways train one model on
two languages, and neither notices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from autoglm_core.canonical import Json, json_digest
from autoglm_core.label_column import LabelColumn, check_distinct
from autoglm_core.study_error import StudyError
from autoglm_core.text_cleaning import Cleaning
from autoglm_core.text_target import TARGET_KEYS, TagColumn, Target


class TextFormat(StrEnum):
    """How the rows lie in a site's file."""

    JSONL = "jsonl"
    """A JSON object on each line."""
    CSV = "csv"
    """Comma-separated with quotes, RFC 4180."""
    TSV = "tsv"
    """Separated by tabs; a quote is a character like any other."""
    PARQUET = "parquet"
    CONLL = "conll"
    """A word and its columns on each line, a blank line between sentences."""
    LINES = "lines"
    """Plain text: a text on each line, or between blank lines."""
    DATASETS = "datasets"
    """What the library `datasets` wrote: by `save_to_disk`, or into its cache."""


class Separator(StrEnum):
    """Between the columns of a line."""

    TAB = "tab"
    SPACE = "space"
    """One or more spaces."""


class TextUnit(StrEnum):
    """What one text of plain `lines` is."""

    LINE = "line"
    PARAGRAPH = "paragraph"
    """All lines up to a blank one."""


ENCODINGS = (
    *("utf-8", "utf-16", "latin-1", "iso-8859-2", "iso-8859-15", "cp1250", "cp1251", "cp1252", "koi8-r"),
    *("gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"),
)
"""Of files; UTF-8 and UTF-16 may begin with a byte order mark."""
NAMED = (TextFormat.JSONL, TextFormat.PARQUET, TextFormat.DATASETS)
"""Formats that carry names of columns, and lists in a cell."""
BINARY = (TextFormat.PARQUET, TextFormat.DATASETS)
"""Formats that have no encoding to declare."""


@dataclass(frozen=True)
class TextSchema:
    """Texts, one a row.

    Attributes:
        format: Of the files.
        text: Column of the text; of the words, where `target` tags them.
        pair: Column of a second text that belongs to the first.
        target: What is predicted; None for a language model.
        columns: Names by position, for files that carry none: a CSV or TSV file without a header, the columns of
            CoNLL, the parts of a line (the last takes what is left of it).
        separator: Between the columns of CoNLL and of lines.
        unit: What one text of plain lines is.
        split_column: Column with the published split.
        encoding: Of the files.
        cleaning: What is done to every text.
    """

    format: TextFormat
    text: str = "text"
    pair: str | None = None
    target: Target | None = None
    columns: tuple[str, ...] = ()
    separator: Separator = Separator.TAB
    unit: TextUnit = TextUnit.LINE
    split_column: str | None = None
    encoding: str = "utf-8"
    cleaning: Cleaning = field(default_factory=Cleaning)

    def __post_init__(self) -> None:
        if self.format is TextFormat.CONLL and not self.columns and isinstance(self.target, TagColumn):
            object.__setattr__(self, "columns", (self.text, self.target.name))
        check_distinct(self.columns, ("schema", "columns"))
        check_distinct(self.used, ("schema",))
        if not all((*self.used, *self.columns)):
            raise StudyError(("schema",), "a column's name must not be empty")
        self._check_columns()
        self._check_target()
        self._check_format()

    def _check_columns(self) -> None:
        if self.columns:
            if self.format in NAMED:
                raise StudyError(("schema", "columns"), f"{self.format} names its columns itself: leave them out")
            for name in self.used:
                if name not in self.columns:
                    raise StudyError(("schema", "columns"), f"do not hold the column {name!r} that the schema uses")
        elif self.format is TextFormat.LINES and len(self.used) > 1:
            raise StudyError(("schema", "columns"), "plain lines hold the text alone: say what stands on a line")

    def _check_target(self) -> None:
        tagged = isinstance(self.target, TagColumn)
        if tagged and self.format not in (*NAMED, TextFormat.CONLL):
            raise StudyError(("schema", "tags"), f"a line of {self.format} holds no list: use conll, jsonl or parquet")
        if not tagged and self.format is TextFormat.CONLL:
            raise StudyError(("schema", "tags"), "conll holds a tag for each word: say in which column")
        if tagged and (self.pair is not None or self.cleaning.html):
            what = ("schema", "cleaning", "html") if self.cleaning.html else ("schema", "pair")
            raise StudyError(what, "is not for tagged words: each of them must keep its tag")
        if tagged and self.format is TextFormat.CONLL and self.split_column is not None:
            raise StudyError(("schema", "split"), "conll has none: put each split into a file of its own")

    def _check_format(self) -> None:
        if self.encoding not in ENCODINGS:
            raise StudyError(("schema", "encoding"), f"must be one of {', '.join(ENCODINGS)}")
        if self.format in BINARY and self.encoding != "utf-8":
            raise StudyError(("schema", "encoding"), f"{self.format} says itself how its texts are encoded")
        if self.unit is not TextUnit.LINE and (self.format is not TextFormat.LINES or self.columns):
            raise StudyError(("schema", "unit"), "is for the format lines without columns")
        separated = self.format is TextFormat.CONLL or (self.format is TextFormat.LINES and bool(self.columns))
        if self.separator is not Separator.TAB and not separated:
            raise StudyError(("schema", "separator"), "is for conll, and for lines with columns")

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that are read."""
        target = None if self.target is None else self.target.name
        return tuple(name for name in (self.text, self.pair, target, self.split_column) if name is not None)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the model's outputs; without a label there are none."""
        return self.target.class_names if isinstance(self.target, LabelColumn) else ()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form."""
        return json_digest(self.to_json())

    def to_json(self) -> Json:
        """Canonical form: every key that means something for this format and target."""
        keys: Json = {
            "form": "text",
            "format": str(self.format),
            "text": self.text,
            "columns": list(self.columns),
            "separator": str(self.separator),
            "unit": str(self.unit),
            "encoding": self.encoding,
            "cleaning": self.cleaning.to_json(),
        }
        optional = {"pair": self.pair, "split": self.split_column, TARGET_KEYS.get(type(self.target), ""): self.target}
        for key, value in optional.items():
            if value is not None:
                keys[key] = value if isinstance(value, str) else value.to_json()
        return keys
