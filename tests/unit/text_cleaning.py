"""Cleaning of texts: what a reader sees stays, and nothing takes the square of a text's length."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.languages import LANGUAGES
from autoglm_core.text_cleaning import SCRIPTS, Cleaning, LengthIn, Normal, Whitespace
from autoglm_workloads.text.data.cleaning import Drop, clean_words, cleaner, refused, script_of
from autoglm_workloads.text.data.html_text import text_of_html

HTML = {
    "<p title='a>b'>one &amp; two<br>three</p>": "\none & two\nthree\n",
    "a < b and c > d": "a < b and c > d",
    "I <3 you": "I <3 you",
    "<a href=it's>link</a>!": "link!",
    "x<!-- <b>no</b> --><B>Y</B><!doctype html>": "xY",
    "<style>p { color: red }</style>x<SCRIPT>if (a < b)</Script >y": "xy",
    "never <a href='ends": "never <a href='ends",
    "<script>never ends": "",
    "&copy;&#x41;&nbsp;&unknown; &lt;b&gt;": "©A\xa0&unknown; <b>",
    "</ odd>x</b>": "x",
}
SLOW = ("<a ", '<a a="', "<!--", "</", "<![", "&#1", "<script>", " \n", "\u0300\u0327", "\u2028", "<a =")


@pytest.mark.parametrize("html", HTML)
def test_html_is_what_a_reader_sees(html: str) -> None:
    assert text_of_html(html) == HTML[html]


@pytest.mark.parametrize("piece", SLOW)
def test_a_hostile_text_takes_time_in_line_with_its_length(piece: str) -> None:
    clean = cleaner(Cleaning(html=True, unicode=Normal.NFKC))
    clean("é")  # what is made once
    begun = time.process_time()
    clean("a" + piece * (300_000 // len(piece)) + ">")
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("cleaning", "before", "after"),
    [
        (Cleaning(), " a \t b \r\n\n\n\n c\x07\u200b ", "a b\n\nc"),
        (Cleaning(whitespace=Whitespace.SPACES), "a\n\n b\u2028c", "a b c"),
        (Cleaning(whitespace=Whitespace.KEEP), " a  b\n c \n", " a  b\n c \n"),
        (Cleaning(whitespace=Whitespace.KEEP), " \n ", ""),
        (Cleaning(), "e\u0301 ﬁ", "é ﬁ"),
        (Cleaning(unicode=Normal.NFKC), "e\u0301 ﬁ", "é fi"),
        (Cleaning(unicode=Normal.NONE), "e\u0301", "e\u0301"),
        (Cleaning(), "half \ud800", "half \ufffd"),
        (Cleaning(html=True), "<p>a &lt;b></p><p>c</p>", "a <b>\n\nc"),
        (Cleaning(), "می\u200cروم", "می\u200cروم"),
    ],
)
def test_a_cleaned_text(cleaning: Cleaning, before: str, after: str) -> None:
    assert cleaner(cleaning)(before) == after


@settings(derandomize=True, deadline=None)
@given(text=st.text(st.characters(codec=None), max_size=60), html=st.booleans(), whitespace=st.sampled_from(Whitespace))
def test_what_is_clean_can_be_encoded_and_has_no_outer_space(text: str, html: bool, whitespace: Whitespace) -> None:
    clean = cleaner(Cleaning(html=html, whitespace=whitespace))
    cleaned = clean(text)
    assert cleaned.encode().decode() == cleaned
    assert whitespace is Whitespace.KEEP or cleaned == cleaned.strip()
    assert "\0" not in cleaned


def test_a_word_of_which_nothing_is_left_keeps_its_place() -> None:
    assert clean_words(("a", "\u200b", " b "), cleaner(Cleaning())) == ("a", "\ufffd", "b")


@pytest.mark.parametrize(
    ("keys", "text", "drop"),
    [
        ({}, "", Drop.EMPTY),
        ({"shortest": 4}, "abc", Drop.TOO_SHORT),
        ({"shortest": 2, "length_in": LengthIn.WORDS}, "abcdef", Drop.TOO_SHORT),
        ({"longest": 3}, "abcd", Drop.TOO_LONG),
        ({"longest": 1, "length_in": LengthIn.WORDS}, "abcd", None),
        ({"scripts": ("latin",)}, "三個 ab", None),
        ({"scripts": ("latin",)}, "三個字 ab", Drop.OTHER_SCRIPT),
        ({"scripts": ("latin",)}, "123 !", Drop.OTHER_SCRIPT),
        ({"scripts": ("han", "hiragana")}, "三個のab", None),
        ({"languages": ("en",)}, "Where is the money that I sent on Monday?", None),
        ({"languages": ("en",)}, "Wo ist das Geld, das ich am Montag geschickt habe?", Drop.OTHER_LANGUAGE),
        ({"languages": ("en", "de")}, "Wo ist das Geld, das ich am Montag geschickt habe?", None),
        ({"languages": ("en", "de")}, "Où est l'argent que j'ai envoyé lundi ?", Drop.OTHER_LANGUAGE),
        ({"languages": ("no",)}, "Hvor er pengene som jeg sendte på mandag?", None),
        ({"languages": ("en",)}, "我的钱在哪里", Drop.OTHER_LANGUAGE),
        ({"languages": ("en",)}, "4711", None),
        ({"languages": ("en",)}, "Anna Meier", None),
        ({"languages": LANGUAGES}, "Wo ist das Geld?", None),
    ],
)
def test_filters_say_why(keys: dict[str, Any], text: str, drop: Drop | None) -> None:
    assert refused(text, Cleaning(**keys)) is drop


def test_languages_that_a_study_may_declare_are_those_that_can_be_told() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    no_language = "zxx"
    assert {*LANGUAGES, no_language} == set(LanguageIdentifier.from_model_file(MODEL_FILE).labels)


def test_every_declared_script_has_letters() -> None:
    found = {script_of(letter) for letter in map(chr, range(0x20, 0xFFFF)) if letter.isalpha()}
    assert set(SCRIPTS) <= found
