"""What the data of a study looks like: declared once, hashed, checked at every site before round one, never inferred.

Inferring categories or label order per site was rejected: two hospitals that never saw the same category would train
different models and not notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import isfinite

from autoglm_core.canonical import Json, json_digest
from autoglm_core.label_column import LabelColumn, check_distinct
from autoglm_core.study_error import StudyError
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_schema import TextSchema

__all__ = [
    "Column",
    "ColumnKind",
    "ImageSchema",
    "LabelColumn",
    "MissingRows",
    "Schema",
    "TableSchema",
    "TasksSchema",
    "TextSchema",
]


class ColumnKind(StrEnum):
    """What a column is used for."""

    NUMBER = "number"
    CATEGORY = "category"
    LABEL = "label"
    SPLIT = "split"
    """Holds `train`, `validation` or `test`: a published split, which overrides the study's."""
    IGNORE = "ignore"


class MissingRows(StrEnum):
    """What becomes of a row with a missing value in a feature; a row without a label is always dropped."""

    DROP = "drop"
    IMPUTE = "impute"
    """Numbers take the cohort's mean, categories the reference category (the first)."""


@dataclass(frozen=True)
class Column:
    """One column of the file.

    `categories`: of a category, in the order of the one-hot features; the first is the reference and gets none. A raw
    value matches a category when the texts are equal or both read as the same number, since one site writes `1` where
    another writes `1.0`.
    """

    name: str
    kind: ColumnKind = ColumnKind.NUMBER
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        place = ("schema", "columns", self.name)
        if self.kind is ColumnKind.CATEGORY:
            if len(self.categories) < 2:
                raise StudyError(place, "a category column needs at least two categories")
            check_distinct(self.categories, (*place, "categories"))
        elif self.categories:
            raise StudyError(place, f"a column of kind {self.kind} has no categories")


@dataclass(frozen=True)
class TableSchema:
    """A delimited text file. `columns` are ALL of its columns in file order, the label's and the split's included.

    `missing`: texts that stand for no value, beside the empty one. `header`: whether the first line holds the columns'
    names.
    """

    columns: tuple[Column, ...]
    label: LabelColumn
    missing: tuple[str, ...] = ()
    missing_rows: MissingRows = MissingRows.DROP
    header: bool = True

    def __post_init__(self) -> None:
        place = ("schema", "columns")
        check_distinct([column.name for column in self.columns], place)
        labels = [column.name for column in self.columns if column.kind is ColumnKind.LABEL]
        if labels != [self.label.name]:
            raise StudyError(place, f"exactly one column must be of kind label, and it must be {self.label.name!r}")
        if sum(column.kind is ColumnKind.SPLIT for column in self.columns) > 1:
            raise StudyError(place, "at most one column may be of kind split")
        if not self.features:
            raise StudyError(place, "no column is a number or a category: there is nothing to learn from")
        check_distinct(self.missing, ("schema", "missing"))

    @property
    def features(self) -> tuple[Column, ...]:
        """Numbers and categories, in file order."""
        return tuple(column for column in self.columns if column.kind in (ColumnKind.NUMBER, ColumnKind.CATEGORY))

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the model's outputs."""
        return self.label.class_names

    @property
    def split_column(self) -> str | None:
        """Name of the column with the published split, if there is one."""
        return next((column.name for column in self.columns if column.kind is ColumnKind.SPLIT), None)

    def position(self, name: str) -> int:
        """Index of the column `name` in the file."""
        return [column.name for column in self.columns].index(name)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form."""
        return json_digest(self.to_json())

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "form": "table",
            "columns": [
                {"name": column.name, "kind": str(column.kind)}
                | ({"categories": list(column.categories)} if column.categories else {})
                for column in self.columns
            ],
            "label": self.label.to_json(),
            "missing": list(self.missing),
            "missing_rows": str(self.missing_rows),
            "header": self.header,
        }


@dataclass(frozen=True)
class ImageSchema:
    """Images `(height, width, channels)` in pixels.

    Raw values are divided by `scale`. `classes`: names by integer label.
    """

    height: int
    width: int
    channels: int
    scale: float
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("height", "width", "channels"):
            if not 1 <= getattr(self, name) <= 65536:
                raise StudyError(("schema", name), "must be between 1 and 65536")
        if not (isfinite(self.scale) and self.scale > 0):
            raise StudyError(("schema", "scale"), "must be above 0")
        if len(self.classes) < 2:
            raise StudyError(("schema", "classes"), "needs at least two classes")
        check_distinct(self.classes, ("schema", "classes"))

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the model's outputs."""
        return self.classes

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form."""
        return json_digest(self.to_json())

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "form": "image",
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "scale": self.scale,
            "classes": list(self.classes),
        }


Schema = TableSchema | ImageSchema | TextSchema | TasksSchema
