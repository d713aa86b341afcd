"""A schema from its declaration.

A table's columns are a mapping in file order, `age: number`, `cp: [1, 2, 3, 4]` (a category), `ca: ignore`,
`diagnosis: label`, or a list of `{name, kind, categories}`. Classes are a mapping `{healthy: [0], ill: [1, 2, 3, 4]}`
or a list of pairs; raw values may be written as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.schema import Column, ColumnKind, ImageSchema, LabelColumn, MissingRows, Schema, TableSchema
from autoglm_core.section import Section, as_list, as_text, mismatch, one_of, texts
from autoglm_core.study_error import Place, StudyError

KINDS = tuple(str(kind) for kind in ColumnKind)


def parse_schema(value: object, place: Place = ("schema",)) -> Schema:
    """The schema declared by `value`.

    Raises:
        StudyError: naming the place and what is wrong there.
    """
    if isinstance(value, Mapping) and value.get("form") == "image":
        return _image(Section(value, place, ("form", "height", "width", "channels", "scale", "classes")))
    section = Section(value, place, ("form", "columns", "label", "missing", "missing_rows", "header"))
    section.word("form", ("table", "image"))
    return TableSchema(
        columns=_columns(section.take("columns"), section.at("columns")),
        label=_label(section.take("label"), section.at("label")),
        missing=_raw_values(section.items("missing"), section.at("missing")),
        missing_rows=MissingRows(section.word("missing_rows", ("drop", "impute"), "drop")),
        header=section.boolean("header", True),
    )


def _image(section: Section) -> ImageSchema:
    return ImageSchema(
        height=section.integer("height"),
        width=section.integer("width"),
        channels=section.integer("channels", 1),
        scale=section.number("scale", 255.0),
        classes=_raw_values(section.take("classes"), section.at("classes")),
    )


def _columns(value: object, place: Place) -> tuple[Column, ...]:
    if isinstance(value, Mapping):
        return tuple(_column(as_text(name, place), use, (*place, as_text(name, place))) for name, use in value.items())
    return tuple(_listed_column(item, (*place, number)) for number, item in enumerate(as_list(value, place)))


def _column(name: str, use: object, place: Place) -> Column:
    if isinstance(use, list | tuple):
        return Column(name, ColumnKind.CATEGORY, _raw_values(use, place))
    return Column(name, ColumnKind(one_of(use, KINDS, place)))


def _listed_column(value: object, place: Place) -> Column:
    section = Section(value, place, ("name", "kind", "categories"))
    categories = _raw_values(section.items("categories"), section.at("categories"))
    return Column(section.text("name"), ColumnKind(section.word("kind", KINDS)), categories)


def _label(value: object, place: Place) -> LabelColumn:
    section = Section(value, place, ("name", "classes"))
    classes, at = section.take("classes"), section.at("classes")
    if isinstance(classes, Mapping):
        pairs = [(as_text(name, at), raw, (*at, as_text(name, at))) for name, raw in classes.items()]
    else:
        pairs = [_pair(item, (*at, number)) for number, item in enumerate(as_list(classes, at))]
    return LabelColumn(section.text("name"), tuple((name, _raw_values(raw, where)) for name, raw, where in pairs))


def _pair(value: object, place: Place) -> tuple[str, object, Place]:
    items = as_list(value, place)
    if len(items) != 2:
        raise StudyError(place, "must be a class name and the list of its raw values")
    return as_text(items[0], (*place, 0)), items[1], (*place, 1)


def _raw_values(value: object, place: Place) -> tuple[str, ...]:
    """Texts as they stand in a file; whole numbers may be written without quotes."""
    return texts([_raw(item, (*place, number)) for number, item in enumerate(as_list(value, place))], place)


def _raw(value: object, place: Place) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mismatch(place, "text or a whole number", value)
    return str(value)
