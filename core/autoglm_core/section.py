"""Strict reading of a declared mapping: known keys only, one type each, and the place of whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from autoglm_core.configuration import Value
from autoglm_core.study_error import Place, StudyError, nearest

KINDS: Sequence[tuple[type, str]] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (Mapping, "a mapping"),
    (list, "a list"),
    (tuple, "a list"),
)


def kind_of(value: object) -> str:
    """The type of `value` in words; never the value, which may be long or secret."""
    if value is None:
        return "nothing"
    return next((name for kind, name in KINDS if isinstance(value, kind)), type(value).__name__)


def mismatch(place: Place, wanted: str, value: object) -> StudyError:
    """The error that says what stands at `place` instead of what is wanted."""
    return StudyError(place, f"must be {wanted}, not {kind_of(value)}")


def as_mapping(value: object, place: Place) -> Mapping[str, object]:
    """`value`, which must be a mapping with text keys."""
    if not isinstance(value, Mapping):
        raise mismatch(place, "a mapping", value)
    for key in value:
        if not isinstance(key, str):
            raise StudyError(place, f"its keys must be text, not {kind_of(key)}")
    return value


def as_list(value: object, place: Place) -> Sequence[object]:
    """`value`, which must be a list."""
    if not isinstance(value, list | tuple):
        raise mismatch(place, "a list", value)
    return value


def as_text(value: object, place: Place) -> str:
    """`value`, which must be text."""
    if not isinstance(value, str):
        raise mismatch(place, "text", value)
    return value


def as_integer(value: object, place: Place) -> int:
    """`value`, which must be a whole number, exact as a double."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise mismatch(place, "a whole number", value)
    if abs(value) > 2**53:
        raise StudyError(place, "must lie within 2^53")
    return value


def as_number(value: object, place: Place) -> float:
    """`value`, which must be a finite number, as a float."""
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, float):
        raise StudyError(place, "must be finite")
    if not isinstance(value, int) or isinstance(value, bool):
        raise mismatch(place, "a number", value)
    return float(as_integer(value, place))


def as_boolean(value: object, place: Place) -> bool:
    """`value`, which must be true or false."""
    if not isinstance(value, bool):
        raise mismatch(place, "true or false", value)
    return value


def one_of(value: object, words: Sequence[str], place: Place) -> str:
    """`value`, which must be one of `words`."""
    text = as_text(value, place)
    if text not in words:
        raise StudyError(place, f"must be one of {', '.join(words)}", nearest=nearest(text, words))
    return text


def texts(value: object, place: Place) -> tuple[str, ...]:
    """`value`, which must be a list of texts."""
    return tuple(as_text(item, (*place, number)) for number, item in enumerate(as_list(value, place)))


def as_scalar(value: object, place: Place) -> Value:
    """`value`, which must be a number, a text or true or false."""
    match value:
        case bool() | str():
            return value
        case int():
            return as_integer(value, place)
        case float():
            return as_number(value, place)
    raise mismatch(place, "a number, a text or true or false", value)


class Section:
    """A mapping at `place` with no keys but those `allowed`. A key whose value is null counts as absent."""

    def __init__(self, value: object, place: Place, allowed: Sequence[str]) -> None:
        self.place = place
        entries = as_mapping(value, place)
        for key in entries:
            if key not in allowed:
                raise StudyError((*place, key), "is not a key here", nearest=nearest(key, allowed))
        self._entries = {key: entry for key, entry in entries.items() if entry is not None}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def at(self, key: str) -> Place:
        """Place of `key`."""
        return (*self.place, key)

    def take(self, key: str) -> object:
        """The value of a key that must be there."""
        if key not in self._entries:
            raise StudyError(self.place, f"the key {key!r} is missing")
        return self._entries[key]

    def text(self, key: str, default: str | None = None) -> str:
        """Text; required without a default, as with the methods that follow."""
        return as_text(self._take(key, default), self.at(key))

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        return as_integer(self._take(key, default), self.at(key))

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        return as_number(self._take(key, default), self.at(key))

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        return as_boolean(self._take(key, default), self.at(key))

    def word(self, key: str, words: Sequence[str], default: str | None = None) -> str:
        """One of `words`."""
        return one_of(self._take(key, default), words, self.at(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, by default empty."""
        return texts(self._take(key, ()), self.at(key))

    def items(self, key: str) -> Sequence[object]:
        """A list, by default empty."""
        return as_list(self._take(key, ()), self.at(key))

    def _take(self, key: str, default: object) -> object:
        return default if key not in self._entries and default is not None else self.take(key)
