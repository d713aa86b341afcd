"""Tokenizers of the kinds that models come with, trained on a few sentences, and `Tokens` over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from autoglm_workloads.models.shelf import ShelvedModel
from autoglm_workloads.text.tokens import Tokens

CORPUS = ["the fox lives in new york", "the dog lives in paris", "where does the fox live in paris"] * 20
BYTE_LEVEL = (pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel())
METASPACE = (pre_tokenizers.Metaspace(), decoders.Metaspace())


@dataclass(frozen=True)
class _Description:
    pad: int


@dataclass(frozen=True)
class _Shelved:
    """What `Tokens` reads of a shelved model; a whole one would need weights that fit each tokenizer."""

    tokenizer: Path
    path: Path
    description: _Description


def tokens(path: Path, *, length: int = 64) -> Tokens:
    """Over the tokenizer.json at `path`; the model names no end token."""
    (path.parent / "config.json").write_text("{}")
    return Tokens(cast(ShelvedModel, _Shelved(path, path.parent, _Description(pad=-1))), length)


def trained(pre_tokenizer: Any, decoder: Any, starts: Sequence[str] = ()) -> Callable[[Path], Path]:
    """Writes a BPE tokenizer of `CORPUS` whose texts begin with `starts`."""

    def write(path: Path) -> Path:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoder
        alphabet = pre_tokenizers.ByteLevel.alphabet() if isinstance(decoder, decoders.ByteLevel) else []
        trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=list(starts), initial_alphabet=alphabet)
        tokenizer.train_from_iterator(CORPUS, trainer)
        if starts:
            specials = [(word, tokenizer.token_to_id(word)) for word in starts]
            tokenizer.post_processor = processors.TemplateProcessing(
                single=" ".join([*starts, "$A"]), special_tokens=specials
            )
        tokenizer.save(str(path))
        return path

    return write
