"""Texts as words, in the three ways in which published metrics take them apart; Chinese goes by character in each.

Every ideograph is a word of its own, as in the evaluation of CMRC 2018 (Cui et al. 2019) and in WMT's Chinese tracks:
where words end is a question to which segmenters give different answers.
"""

from __future__ import annotations

import re
import unicodedata

IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
FULL_WIDTH = "\u3000-\u303f\uff00-\uffef"
"""Chinese punctuation."""
_APART = re.compile(f"([{IDEOGRAPHS}])")
_APART_WITH_PUNCTUATION = re.compile(f"([{IDEOGRAPHS}{FULL_WIDTH}])")
_ARTICLES = frozenset(("a", "an", "the"))
_LETTERS = re.compile(r"[^\W_]+")
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_MARKS = (
    (re.compile(r"([!-&(-+:-@/\[-`{-~])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""Those of mteval-v13a: all marks but ' . , and -; points and commas not between digits; the dash of 1-2, not a-b."""


def answer_words(text: str) -> list[str]:
    """As SQuAD compares answers (Rajpurkar et al. 2016): lower case, no punctuation, none of a, an, the."""
    kept = "".join(letter for letter in text.lower() if not _is_punctuation(letter))
    return [word for word in _APART.sub(r" \1 ", kept).split() if word not in _ARTICLES]


def plain_words(text: str) -> list[str]:
    """As ROUGE takes texts apart: lower case, runs of letters and digits; not stemmed."""
    return _LETTERS.findall(_APART.sub(r" \1 ", text.lower()))


def marked_words(text: str) -> list[str]:
    """As WMT takes texts apart for BLEU (mteval-v13a): case kept, punctuation marks are words, 3.14 is one word."""
    apart = _APART_WITH_PUNCTUATION.sub(r" \1 ", f" {text} ")
    for pattern, replacement in _MARKS:
        apart = pattern.sub(replacement, apart)
    return apart.split()


def _is_punctuation(letter: str) -> bool:
    return letter in _ASCII_PUNCTUATION or unicodedata.category(letter).startswith("P")
