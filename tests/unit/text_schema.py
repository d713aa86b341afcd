"""Schemas of texts: what may be declared, and that the canonical form reads back."""

from __future__ import annotations

from typing import Any

import pytest

from autoglm_core.canonical import canonical_json
from autoglm_core.parse_schema import parse_schema
from autoglm_core.study_error import StudyError
from autoglm_core.text_cleaning import Duplicates, Normal, Whitespace
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import TagColumn

LABEL = {"name": "intent", "classes": {"pay": ["pay", 1], "other": [0]}}
TAGS = {"name": "ner", "scheme": "bio", "entities": ["person", "place"]}
DECLARED: dict[str, dict[str, Any]] = {
    "label": {"format": "csv", "label": LABEL, "pair": "question", "split": "part"},
    "until": {"format": "lines", "columns": ["kind", "text"], "separator": "space", "encoding": "latin-1",
              "label": {"name": "kind", "until": ":", "classes": ["NUM", "LOC"]}},
    "tags": {"format": "conll", "separator": "space", "tags": TAGS},
    "reference": {"format": "jsonl", "reference": "answer", "text": "prompt"},
    "language model": {"format": "lines", "unit": "paragraph", "cleaning": {"whitespace": "keep", "unicode": "nfkc"}},
}  # fmt: skip
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no format": ({}, "'format'"),
    "unknown format": ({"format": "jsonk"}, "jsonl"),
    "two targets": ({"format": "jsonl", "label": LABEL, "tags": TAGS}, "schema.tags"),
    "one class": ({"format": "csv", "label": {"name": "a", "classes": ["a"]}}, "at least two classes"),
    "no entities": ({"format": "conll", "tags": {**TAGS, "entities": []}}, "at least one type"),
    "tags in csv": ({"format": "csv", "tags": TAGS}, "holds no list"),
    "conll without tags": ({"format": "conll"}, "schema.tags"),
    "tagged pairs": ({"format": "jsonl", "tags": TAGS, "pair": "b"}, "schema.pair"),
    "tagged html": ({"format": "jsonl", "tags": TAGS, "cleaning": {"html": True}}, "schema.cleaning.html"),
    "columns of jsonl": ({"format": "jsonl", "columns": ["text"]}, "leave them out"),
    "column that is not there": ({"format": "tsv", "columns": ["body"]}, "'text'"),
    "lines with more than text": ({"format": "lines", "label": LABEL}, "plain lines"),
    "column used twice": ({"format": "jsonl", "pair": "text"}, "stands there twice"),
    "encoding that is no encoding": ({"format": "csv", "encoding": "rot13"}, "schema.encoding"),
    "encoding of parquet": ({"format": "parquet", "encoding": "latin-1"}, "says itself"),
    "paragraphs of csv": ({"format": "csv", "unit": "paragraph"}, "schema.unit"),
    "separator of csv": ({"format": "csv", "separator": "space"}, "schema.separator"),
    "shortest above longest": ({"format": "csv", "cleaning": {"shortest": 9, "longest": 8}}, "longest"),
    "unknown language": ({"format": "csv", "cleaning": {"languages": ["en", "dk"]}}, "languages"),
    "unknown script": ({"format": "csv", "cleaning": {"scripts": ["klingon"]}}, "scripts"),
}


def schema_of(**keys: Any) -> TextSchema:
    schema = parse_schema({"form": "text", **keys})
    assert isinstance(schema, TextSchema)
    return schema


@pytest.mark.parametrize("keys", DECLARED.values(), ids=DECLARED)
def test_the_canonical_form_reads_back_as_itself(keys: dict[str, Any]) -> None:
    schema = schema_of(**keys)
    again = parse_schema(schema.to_json())
    assert again == schema
    assert canonical_json(again.to_json()) == canonical_json(schema.to_json())
    assert again.hash == schema.hash


@pytest.mark.parametrize(("keys", "place"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused_where_it_stands(keys: dict[str, Any], place: str) -> None:
    with pytest.raises(StudyError, match=place):
        schema_of(**keys)


def test_cleaning_is_part_of_the_hash() -> None:
    cleanings = [
        *({}, {"html": True}, {"duplicates": "near"}, {"shortest": 2}, {"unicode": "nfkc"}),
        *({"scripts": ["latin"]}, {"languages": ["en"]}),
    ]
    hashes = {schema_of(format="csv", label=LABEL, cleaning=cleaning).hash for cleaning in cleanings}
    assert len(hashes) == len(cleanings)


def test_what_is_left_out_is_gentle() -> None:
    cleaning = schema_of(format="csv").cleaning
    assert (cleaning.unicode, cleaning.whitespace, cleaning.duplicates) == (
        Normal.NFC,
        Whitespace.LINES,
        Duplicates.EXACT,
    )
    assert not cleaning.html


def test_classes_may_be_names_that_are_their_own_raw_values() -> None:
    schema = schema_of(format="csv", label={"name": "intent", "classes": ["pay", "other", 3]})
    assert schema.class_names == ("pay", "other", "3")
    assert schema_of(format="csv").class_names == ()


def test_conll_has_two_columns_unless_more_are_named() -> None:
    schema = schema_of(format="conll", text="word", tags=TAGS)
    assert schema.columns == ("word", "ner")
    assert isinstance(schema.target, TagColumn)
