"""YAML read strictly, with the line of every value.

YAML 1.2's core schema: `1e-5` is a number, `no` and `off` are texts, truth values are `true` and `false` alone.
Duplicate keys, anchors, tags and several documents are refused. PyYAML's parser gives the events; its own constructor
was rejected because it reads `1e-5` as a text and `no` as False, and keeps the last of duplicate keys in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from autoglm_core.study_error import Place, StudyError

Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None

LARGEST = 1 << 20
"""Characters of a document."""
DEEPEST = 20
"""Collections within each other."""

INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True)
class Document:
    """`value`: plain data. `lines`: for each place the line, from 1, where its key or item stands."""

    value: Plain
    lines: dict[Place, int] = field(compare=False)

    def line(self, place: Place) -> int:
        """Line of `place`, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


class YamlError(StudyError):
    """A document cannot be read; `line` counts from 1."""

    code = "bad-yaml"

    def __init__(self, place: Place, reason: str, *, line: int) -> None:
        super().__init__(place, reason)
        self.line = line


def read_yaml(text: str) -> Document:
    """The one document in `text`.

    Raises:
        YamlError: it is malformed, too large, or uses what is refused.
    """
    if len(text) > LARGEST:
        raise YamlError((), f"is longer than {LARGEST} characters", line=1)
    reader = _Reader(text)
    try:
        value = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError((), error.problem or "is not YAML", line=mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, ValueError, OverflowError):  # the last two from `"\U7fffffff"` and a version of many digits
        raise YamlError((), "holds a character that YAML does not allow", line=1) from None
    return Document(value, reader.lines)


class _Reader:
    """One pass over the parser's events."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.lines: dict[Place, int] = {}

    def document(self) -> Plain:
        next(self._events)  # the stream's start
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise YamlError((), "is empty", line=1)
        value = self._value(next(self._events), ())
        next(self._events)  # the document's end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise YamlError((), "holds a second document", line=_line(event))
        return value

    def _value(self, event: yaml.Event, place: Place) -> Plain:
        self.lines.setdefault(place, _line(event))
        self._refuse_extras(event, place)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, place)
        if len(place) >= DEEPEST:
            raise YamlError(place, "is nested too deeply", line=_line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        return self._sequence(place)

    def _mapping(self, place: Place) -> dict[str, Plain]:
        entries: dict[str, Plain] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            self._refuse_extras(event, place)
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlError(place, "a key must be text", line=_line(event))
            key = _text(event, place)
            if key in entries:
                first = self.lines[(*place, key)]
                raise YamlError((*place, key), f"stands there twice, first on line {first}", line=_line(event))
            self.lines[(*place, key)] = _line(event)
            entries[key] = self._value(next(self._events), (*place, key))
        return entries

    def _sequence(self, place: Place) -> list[Plain]:
        items: list[Plain] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*place, len(items))))
        return items

    def _refuse_extras(self, event: yaml.Event, place: Place) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlError(place, "anchors and aliases (& and *) are not read: write it out", line=_line(event))
        if getattr(event, "tag", None):
            raise YamlError(place, "tags (!) are not read: leave it out", line=_line(event))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _text(event: yaml.ScalarEvent, place: Place) -> str:
    text = str(event.value)
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise YamlError(place, "holds half a character (a surrogate)", line=_line(event))
    return text


def _scalar(event: yaml.ScalarEvent, place: Place) -> Plain:
    text = _text(event, place)
    if event.style is not None:  # quoted or a block: text whatever it looks like
        return text
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        raise YamlError(place, "must be finite", line=_line(event))
    return text
