"""The classes of a label, from their declaration.

A mapping `{healthy: [0], ill: [1, 2]}`, a list of pairs, or a list of names that are their own raw values.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.label_column import LabelColumn
from autoglm_core.section import Section, as_list, as_text, mismatch, texts
from autoglm_core.study_error import Place, StudyError


def parse_label(value: object, place: Place) -> LabelColumn:
    """The column and its classes."""
    section = Section(value, place, ("name", "classes"))
    return LabelColumn(section.text("name"), parse_classes(section.take("classes"), section.at("classes")))


def parse_classes(value: object, place: Place) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(class name, its raw values) in the order of the model's outputs."""
    if isinstance(value, Mapping):
        pairs = [(as_text(name, place), raw, (*place, as_text(name, place))) for name, raw in value.items()]
    else:
        pairs = [_pair(item, (*place, number)) for number, item in enumerate(as_list(value, place))]
    return tuple((name, raw_values(raw, where)) for name, raw, where in pairs)


def _pair(value: object, place: Place) -> tuple[str, object, Place]:
    if not isinstance(value, list | tuple):
        return _raw(value, place), [value], place
    items = as_list(value, place)
    if len(items) != 2:
        raise StudyError(place, "must be a class name and the list of its raw values")
    return as_text(items[0], (*place, 0)), items[1], (*place, 1)


def raw_values(value: object, place: Place) -> tuple[str, ...]:
    """Texts as they stand in a file; whole numbers may be written without quotes."""
    return texts([_raw(item, (*place, number)) for number, item in enumerate(as_list(value, place))], place)


def _raw(value: object, place: Place) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mismatch(place, "text or a whole number", value)
    return str(value)
