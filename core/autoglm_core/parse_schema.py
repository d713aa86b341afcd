"""A schema from its declaration.

A table's columns are a mapping in file order, `age: number`, `cp: [1, 2, 3, 4]` (a category), `ca: ignore`,
`diagnosis: label`, or a list of `{name, kind, categories}`. Raw values may be written as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.parse_label import parse_label, raw_values
from autoglm_core.parse_tasks_schema import parse_tasks_schema
from autoglm_core.parse_text_schema import parse_text_schema
from autoglm_core.schema import Column, ColumnKind, ImageSchema, MissingRows, Schema, TableSchema
from autoglm_core.section import Section, as_list, as_text, one_of
from autoglm_core.study_error import Place

KINDS = tuple(str(kind) for kind in ColumnKind)


def parse_schema(value: object, place: Place = ("schema",)) -> Schema:
    """The schema declared by `value`.

    Raises:
        StudyError: naming the place and what is wrong there.
    """
    if isinstance(value, Mapping) and value.get("form") == "image":
        return _image(Section(value, place, ("form", "height", "width", "channels", "scale", "classes")))
    if isinstance(value, Mapping) and value.get("form") == "text":
        return parse_text_schema(value, place)
    if isinstance(value, Mapping) and value.get("form") == "tasks":
        return parse_tasks_schema(value, place)
    section = Section(value, place, ("form", "columns", "label", "missing", "missing_rows", "header"))
    section.word("form", ("table", "image", "text", "tasks"))
    return TableSchema(
        columns=_columns(section.take("columns"), section.at("columns")),
        label=parse_label(section.take("label"), section.at("label")),
        missing=raw_values(section.items("missing"), section.at("missing")),
        missing_rows=MissingRows(section.word("missing_rows", ("drop", "impute"), "drop")),
        header=section.boolean("header", True),
    )


def _image(section: Section) -> ImageSchema:
    return ImageSchema(
        height=section.integer("height"),
        width=section.integer("width"),
        channels=section.integer("channels", 1),
        scale=section.number("scale", 255.0),
        classes=raw_values(section.take("classes"), section.at("classes")),
    )


def _columns(value: object, place: Place) -> tuple[Column, ...]:
    if isinstance(value, Mapping):
        return tuple(_column(as_text(name, place), use, (*place, as_text(name, place))) for name, use in value.items())
    return tuple(_listed_column(item, (*place, number)) for number, item in enumerate(as_list(value, place)))


def _column(name: str, use: object, place: Place) -> Column:
    if isinstance(use, list | tuple):
        return Column(name, ColumnKind.CATEGORY, raw_values(use, place))
    return Column(name, ColumnKind(one_of(use, KINDS, place)))


def _listed_column(value: object, place: Place) -> Column:
    section = Section(value, place, ("name", "kind", "categories"))
    categories = raw_values(section.items("categories"), section.at("categories"))
    return Column(section.text("name"), ColumnKind(section.word("kind", KINDS)), categories)
