"""Tags of words and the spans that they mark, in three schemes (`autoglm_core.text_target.TagScheme`).

A span of a sequence of tags is what seqeval's strict mode (Nakayama 2018) finds: in BIO a B and the I of its type that
follow; in BIOES and BMES an S, or a B that reaches its E over nothing but I (M) of its type. What is left over marks
nothing: a model's output may have such a rest (`spans`), a file may not (`strict_spans`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autoglm_core.text_target import TagScheme

OUTSIDE = "O"
PREFIXES: Mapping[str, str] = {TagScheme.BIO: "BI", TagScheme.BIOES: "BIES", TagScheme.BMES: "BMES"}


class Span(NamedTuple):
    """Words `start` to `end` (exclusive) are an `entity`."""

    entity: str
    start: int
    end: int


class BadTags(ValueError):
    """Tags that are not of their scheme; `position` is the first word to blame."""

    def __init__(self, *, position: int) -> None:
        super().__init__(f"the tag at position {position} is not of its scheme")
        self.position = position


def tag_names(scheme: str, entities: Sequence[str]) -> tuple[str, ...]:
    """Every tag of the scheme, O first: the order of a model's outputs."""
    return (OUTSIDE, *(f"{prefix}-{entity}" for entity in entities for prefix in PREFIXES[scheme]))


def spans(tags: Sequence[str], scheme: str) -> tuple[Span, ...]:
    """The spans that `tags` mark, in order; whatever is not of the scheme marks none."""
    found, position = [], 0
    while position < len(tags):
        prefix, entity = _parts(tags[position])
        if not entity or prefix not in "BS" or prefix not in PREFIXES[scheme]:
            position += 1
            continue
        start, position = position, position + 1
        closed = prefix == "S" or scheme == TagScheme.BIO
        while prefix not in "ES" and position < len(tags):
            prefix, other = _parts(tags[position])
            if other != entity or prefix in "BS" or prefix not in PREFIXES[scheme]:
                break
            closed = closed or prefix == "E"
            position += 1
        if closed:
            found.append(Span(entity, start, position))
    return tuple(found)


def strict_spans(tags: Sequence[str], scheme: str) -> tuple[Span, ...]:
    """The spans that `tags` mark, in order.

    Raises:
        BadTags: a tag is neither O nor part of a span.
    """
    found = spans(tags, scheme)
    inside = {position for span in found for position in range(span.start, span.end)}
    for position, tag in enumerate(tags):
        if tag != OUTSIDE and position not in inside:
            raise BadTags(position=position)
    return found


def tags_of(found: Sequence[Span], words: int, scheme: str) -> tuple[str, ...]:
    """Tags of `words` words on which `found` are marked; inverse of `strict_spans`."""
    tags = [OUTSIDE] * words
    for entity, start, end in found:
        tags[start:end] = [f"{prefix}-{entity}" for prefix in _prefixes(end - start, scheme)]
    return tuple(tags)


def converted(tags: Sequence[str], source: str, target: str) -> tuple[str, ...]:
    """The same spans in another scheme; raises `BadTags` where `tags` are not of theirs."""
    return tags_of(strict_spans(tags, source), len(tags), target)


def _prefixes(length: int, scheme: str) -> str:
    if scheme == TagScheme.BIO:
        return "B" + "I" * (length - 1)
    middle = PREFIXES[scheme].replace("B", "").replace("E", "").replace("S", "")
    return "S" if length == 1 else f"B{middle * (length - 2)}E"


def _parts(tag: str) -> tuple[str, str]:
    """Prefix and type; of O, and of what is no tag, no type."""
    prefix, dash, entity = tag.partition("-")
    return (prefix, entity) if dash and len(prefix) == 1 else (OUTSIDE, "")
