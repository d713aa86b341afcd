"""Texts as token numbers, by the model's own tokenizer.

The `tokenizers` library reads tokenizer.json alone; transformers' tokenizers, which may fall back to code of the
repository or to files that are not covered by the content hash, are not used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel

Ids = NDArray[np.int64]
LEFT_OUT = -100
"""Label of a token that does not count: padding, and what continues a word."""


@dataclass(frozen=True)
class EncodedTexts:
    """`ids`: token numbers of each text; `cut`: texts that were longer than the model's inputs."""

    ids: tuple[Ids, ...]
    cut: int


@dataclass(frozen=True)
class EncodedWords:
    """As `EncodedTexts`, of texts that come as words; `firsts`: place of each kept word's first token."""

    ids: tuple[Ids, ...]
    firsts: tuple[Ids, ...]
    cut: int


@dataclass(frozen=True)
class Tokens:
    """The tokenizer of a model, for inputs of at most `max_length` tokens."""

    model: ShelvedModel
    max_length: int

    @property
    def pad(self) -> int:
        """What fills short inputs."""
        return self.model.description.pad

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end a text, by the model's configuration; some models have none, some several."""
        config = json.loads((self.model.path / "config.json").read_bytes())
        value = config.get("eos_token_id")
        return tuple(value) if isinstance(value, list) else () if value is None else (int(value),)

    def texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> EncodedTexts:
        """Each text with the model's special tokens, cut behind; of a pair the longer part is cut first."""
        tokenizer = self._tokenizer(cut=True)
        inputs = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        found = tokenizer.encode_batch(inputs)
        return EncodedTexts(tuple(_ids(entry) for entry in found), sum(bool(entry.overflowing) for entry in found))

    def words(self, rows: Sequence[Sequence[str]]) -> EncodedWords:
        """Each row of words; words beyond `max_length` tokens are left out."""
        found = self._tokenizer(cut=True).encode_batch([list(row) for row in rows], is_pretokenized=True)
        firsts = tuple(_firsts(entry) for entry in found)
        cut = sum(bool(entry.overflowing) for entry in found)
        return EncodedWords(tuple(_ids(entry) for entry in found), firsts, cut)

    def plain(self, texts: Sequence[str]) -> tuple[Ids, ...]:
        """Each text without special tokens, uncut."""
        found = self._tokenizer(cut=False).encode_batch(list(texts), add_special_tokens=False)
        return tuple(_ids(entry) for entry in found)

    def text(self, ids: Ids) -> str:
        """Tokens as text, without special tokens."""
        return str(self._tokenizer(cut=False).decode(ids.tolist()))

    def _tokenizer(self, *, cut: bool) -> Any:
        tokenizer = self._loaded
        if cut:
            tokenizer.enable_truncation(self.max_length)
        else:
            tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _loaded(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.model.tokenizer))
        tokenizer.no_padding()  # a file may ask for it; batches are padded here
        return tokenizer


def padded(rows: Sequence[Ids], pad: int) -> Ids:
    """`(rows, longest)`, filled with `pad` behind."""
    ids = np.full((len(rows), max((row.size for row in rows), default=1)), pad, np.int64)
    for place, row in enumerate(rows):
        ids[place, : row.size] = row
    return ids


def _ids(entry: Any) -> Ids:
    return np.array(entry.ids, np.int64)


def _firsts(entry: Any) -> Ids:
    """Place of the first token of each word, in order; a word without tokens (a lone control character) has none."""
    places: dict[int, int] = {}
    for place, word in enumerate(entry.word_ids):
        if word is not None:
            places.setdefault(word, place)
    kept = range(max(places, default=-1) + 1)
    # A word that the tokenizer drops is read where the word before it is: every word must get a tag.
    firsts, last = [], 0
    for word in kept:
        last = places.get(word, last)
        firsts.append(last)
    return np.array(firsts, np.int64)
