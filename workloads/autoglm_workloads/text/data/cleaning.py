"""Cleaning of one text, as the schema says, and the filters on what is left."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, cast

from autoglm_core.text_cleaning import LONGEST_TEXT, LengthIn, Normal, Whitespace
from autoglm_workloads.text.data.html_text import text_of_html
from autoglm_workloads.text.data.languages import in_another_language
from autoglm_workloads.text.data.lines import REPLACEMENT

if TYPE_CHECKING:
    from autoglm_core.text_cleaning import Cleaning

Clean = Callable[[str], str]
SCRIPT_SHARE = 0.5
"""Of a row's letters that must be of the declared scripts."""
UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\ufff9-\ufffb]")
"""Control characters that are no white space, and spaces without width. Joiners stay: Persian and emoji need them."""
LONE = re.compile(r"[\ud800-\udfff]")
"""Halves of a surrogate pair, which JSON can spell and no encoding holds."""
BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
BLANKS = re.compile(r"[^\S\n]+")
AROUND_BREAK = re.compile(r" ?\n ?")
EMPTY_LINES = re.compile(r"\n{3,}")


class Drop(StrEnum):
    """Why a row is left out."""

    UNDECODABLE = "undecodable"
    UNLABELLED = "unlabelled"
    EMPTY = "empty"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    OTHER_SCRIPT = "other script"
    OTHER_LANGUAGE = "other language"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradicting duplicate"
    """The same text with another label, other tags or another reference: people did not agree about it."""
    NEAR_DUPLICATE = "near duplicate"


def cleaner(cleaning: Cleaning) -> Clean:
    """What cleans one text."""
    steps: list[Clean] = [] if not cleaning.html else [text_of_html]
    if cleaning.unicode is not Normal.NONE:
        form = cast(Literal["NFC", "NFKC"], cleaning.unicode.upper())
        steps.append(lambda text: text if text.isascii() else unicodedata.normalize(form, _with_few_marks(text)))
    steps += [_without_unseen, WHITESPACE[cleaning.whitespace]]

    def clean(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return clean


def clean_words(words: Sequence[str], clean: Clean) -> tuple[str, ...]:
    """Each word alone; one of which nothing is left becomes U+FFFD, for its tag needs a word."""
    return tuple(clean(word) or REPLACEMENT for word in words)


def _with_few_marks(text: str) -> str:
    """No more than 30 combining marks on a letter, as in UAX 15's stream-safe text: to sort them takes the square."""
    return _marks().sub(r"\1", text)


@cache
def _marks() -> re.Pattern[str]:
    marks = "".join(letter for letter in map(chr, range(sys.maxunicode + 1)) if unicodedata.combining(letter))
    return re.compile(f"([{marks}]{{30}})[{marks}]+")


def _without_unseen(text: str) -> str:
    return UNSEEN.sub("", LONE.sub(REPLACEMENT, text))


def _lines(text: str) -> str:
    return EMPTY_LINES.sub("\n\n", AROUND_BREAK.sub("\n", BLANKS.sub(" ", BREAKS.sub("\n", text))))


WHITESPACE: dict[Whitespace, Clean] = {
    Whitespace.KEEP: lambda text: text if text.strip() else "",
    Whitespace.LINES: lambda text: _lines(text).strip(),
    Whitespace.SPACES: lambda text: " ".join(text.split()),
}


def refused(text: str, cleaning: Cleaning) -> Drop | None:
    """Which filter a cleaned text does not pass."""
    if not text:
        return Drop.EMPTY
    length = len(text) if cleaning.length_in is LengthIn.CHARACTERS else len(text.split())
    if length < cleaning.shortest:
        return Drop.TOO_SHORT
    if len(text) > LONGEST_TEXT or (cleaning.longest and length > cleaning.longest):
        return Drop.TOO_LONG
    if cleaning.scripts and _share(text, frozenset(cleaning.scripts)) < SCRIPT_SHARE:
        return Drop.OTHER_SCRIPT
    if cleaning.languages and in_another_language(text, cleaning.languages):
        return Drop.OTHER_LANGUAGE
    return None


def _share(text: str, scripts: frozenset[str]) -> float:
    """Of the letters; 0 of a text without any."""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(script_of(letter) in scripts for letter in letters) / len(letters) if letters else 0.0


@lru_cache(maxsize=2**16)
def script_of(letter: str) -> str:
    """The writing system that the letter's name in Unicode begins with, in lower case; Han of the CJK ideographs."""
    name = unicodedata.name(letter, "").lower()
    return "han" if name.startswith("cjk") else name.split(" ")[0].removesuffix("-hiragana")
