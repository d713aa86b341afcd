"""Tags and spans: conversions lose nothing, and spans are those of seqeval's strict mode."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.text_target import TagScheme
from autoglm_workloads.text.tags import BadTags, Span, converted, spans, strict_spans, tag_names, tags_of

ENTITIES = ("ship", "B-town", "É")
SCHEMES = tuple(TagScheme)


@st.composite
def marked(draw: st.DrawFn) -> tuple[tuple[Span, ...], int]:
    """Spans that do not overlap, and the number of words."""
    found, end = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=6)):
        found.append(Span(draw(st.sampled_from(ENTITIES)), end + gap, end + gap + length))
        end += gap + length
    return tuple(found), end + draw(st.integers(0, 2))


@settings(derandomize=True, deadline=None)
@given(case=marked(), first=st.sampled_from(SCHEMES), second=st.sampled_from(SCHEMES))
def test_every_scheme_marks_the_same_spans(case: tuple[tuple[Span, ...], int], first: str, second: str) -> None:
    found, words = case
    tags = tags_of(found, words, first)
    assert strict_spans(tags, first) == found
    assert set(tags) <= set(tag_names(TagScheme(first), ENTITIES))
    other = converted(tags, first, second)
    assert strict_spans(other, second) == found
    assert converted(other, second, first) == tags


@settings(derandomize=True, deadline=None, max_examples=200)
@given(data=st.data(), scheme=st.sampled_from([TagScheme.BIO, TagScheme.BIOES]))
def test_spans_of_any_tags_are_those_of_seqeval(data: st.DataObject, scheme: TagScheme) -> None:
    seqeval = pytest.importorskip("seqeval.scheme")
    tags = data.draw(st.lists(st.sampled_from(tag_names(scheme, ENTITIES[:2])), min_size=1, max_size=9))
    theirs = seqeval.Entities([tags], seqeval.IOB2 if scheme is TagScheme.BIO else seqeval.IOBES, False).entities[0]
    assert list(spans(tags, scheme)) == [(entity.tag, entity.start, entity.end) for entity in theirs]


@pytest.mark.parametrize(
    ("scheme", "tags", "position"),
    [
        ("bio", ["O", "I-ship"], 1),
        ("bio", ["B-ship", "I-town"], 1),
        ("bio", ["B-ship", "E-ship"], 1),
        ("bioes", ["B-ship", "I-ship", "O"], 0),
        ("bioes", ["S-ship", "B-ship"], 1),
        ("bioes", ["B-ship", "M-ship", "E-ship"], 0),
        ("bmes", ["B-ship", "I-ship", "E-ship"], 0),
        ("bmes", ["O", "ship"], 1),
        ("bio", ["B-"], 0),
        ("bio", [""], 0),
    ],
)
def test_tags_that_are_not_of_their_scheme_say_where(scheme: str, tags: list[str], position: int) -> None:
    with pytest.raises(BadTags) as caught:
        strict_spans(tags, scheme)
    assert caught.value.position == position
