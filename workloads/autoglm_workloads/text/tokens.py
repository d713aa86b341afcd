"""Texts as token numbers, by the model's own tokenizer.

The `tokenizers` library reads tokenizer.json alone; transformers' tokenizers, which may fall back to code of the
repository or to files that are not covered by the content hash, are not used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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
BLANK = "\u0120"
"""How byte-level tokenizers write a blank."""
BLOCK = 512
"""Texts that are encoded at once: the library keeps some hundred bytes for each token until they are read."""


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

    @cached_property
    def starts(self) -> Ids:
        """The tokens that the model was trained to see in front of a text: GLM-4's `[gMASK]<sop>`, a BOS, or none."""
        found = self._tokenizer(cut=False).encode("a")
        first = next((at for at, special in enumerate(found.special_tokens_mask) if not special), 0)
        return np.array(found.ids[:first], np.int64)

    def texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> EncodedTexts:
        """Each text with the model's special tokens, cut behind; of a pair the longer part is cut first."""
        ids, cut = [], 0
        for entry in self._encoded(texts if pairs is None else list(zip(texts, pairs, strict=True))):
            ids.append(_ids(entry))
            cut += bool(entry.overflowing)
        return EncodedTexts(tuple(ids), cut)

    def words(self, rows: Sequence[Sequence[str]]) -> EncodedWords:
        """Each row of words; words beyond `max_length` tokens are left out.

        Tokenizers whose tokens contain the blank before a word (byte-level BPE) get it with every word but the first.
        """
        ids, firsts, cut = [], [], 0
        words = rows if self._parts_words else [[*row[:1], *(f" {word}" for word in row[1:])] for row in rows]
        for entry in self._encoded(words, is_pretokenized=True):
            ids.append(_ids(entry))
            firsts.append(_firsts(entry))
            cut += bool(entry.overflowing)
        return EncodedWords(tuple(ids), tuple(firsts), cut)

    def plain(self, texts: Sequence[str]) -> tuple[Ids, ...]:
        """Each text without special tokens, uncut."""
        return tuple(_ids(entry) for entry in self._encoded(texts, cut=False, add_special_tokens=False))

    def text(self, ids: Ids) -> str:
        """Tokens as text, without special tokens."""
        return str(self._tokenizer(cut=False).decode(ids.tolist()))

    @cached_property
    def _parts_words(self) -> bool:
        """Whether words that come one by one are still words to the tokenizer."""
        tokenizer = self._tokenizer(cut=False)
        return bool(tokenizer.decode(tokenizer.encode(["a", "a"], is_pretokenized=True).ids) != "aa")

    def _encoded(self, inputs: Sequence[Any], *, cut: bool = True, **how: bool) -> Iterator[Any]:
        """Each of `inputs` as the library encodes it: a text, a pair, or a row of words."""
        tokenizer = self._tokenizer(cut=cut)
        for begin in range(0, len(inputs), BLOCK):
            block = [list(one) if how.get("is_pretokenized") else one for one in inputs[begin : begin + BLOCK]]
            yield from tokenizer.encode_batch(block, **how)

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
    """Place of the first token of each word, in order; a word without tokens (a lone control character) has none.

    A blank before the word that is a token of its own says nothing of the word.
    """
    places: dict[int, int] = {}
    for place, word in enumerate(entry.word_ids):
        if word is not None and (word not in places or entry.tokens[places[word]] == BLANK):
            places[word] = place
    kept = range(max(places, default=-1) + 1)
    # A word that the tokenizer drops is read where the word before it is: every word must get a tag.
    firsts, last = [], 0
    for word in kept:
        last = places.get(word, last)
        firsts.append(last)
    return np.array(firsts, np.int64)
