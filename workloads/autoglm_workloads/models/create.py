"""Small models from nothing but a configuration and a tokenizer: for tests, for trying a study out, for new languages.

The weights are transformers' own initial ones under a seed. A preset gives the proportions of its family; sizes are
the caller's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoglm_workloads.models.byte_tokenizer import write_byte_tokenizer
from autoglm_workloads.models.errors import BadModelConfig, FileMissing
from autoglm_workloads.models.files import TOKENIZER
from autoglm_workloads.models.loading import automatic, quiet

PADS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>")
ENDS = ("[EOS]", "<eos>", "<|endoftext|>", "</s>", "[SEP]")


@dataclass(frozen=True)
class Sizes:
    """`hidden`: width; `layers`: blocks; `heads`: of attention; `inner`: of the feed-forward part (0: four widths).

    `positions`: longest input in tokens; `tied`: whether a language model's last map is its embedding.
    """

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    inner: int = 0
    positions: int = 512
    tied: bool = False

    def __post_init__(self) -> None:
        if min(self.hidden, self.layers, self.heads, self.positions) < 1 or self.inner < 0:
            raise BadModelConfig(reason="every size is at least 1")
        if self.hidden % (2 * self.heads):
            raise BadModelConfig(reason="hidden must be an even multiple of heads: rotary positions turn pairs")


def create(preset: str, folder: Path, *, tokenizer: Path | None, sizes: Sizes, seed: int = 0) -> Path:
    """Write a model of `preset` (`PRESETS`) with random weights into the new `folder`.

    `tokenizer`: a tokenizer.json; None for one token per byte.

    Raises:
        BadModelConfig: unknown preset or impossible sizes, or a tokenizer without a token to pad with.
        FileMissing: there is no such tokenizer.
    """
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    from autoglm_workloads.seeding import generator

    if preset not in PRESETS:
        raise BadModelConfig(reason=f"there is no preset {preset!r}; there are: {', '.join(PRESETS)}")
    if tokenizer is not None and not tokenizer.is_file():
        raise FileMissing(file=TOKENIZER, hint="name one with --tokenizer, or leave it out for one token per byte")
    folder.mkdir(parents=True)
    if tokenizer is None:
        write_byte_tokenizer(folder / TOKENIZER)
    else:
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    words = Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab(with_added_tokens=True)
    pad, end = _first(PADS, words), _first(ENDS, words)
    config = PRESETS[preset](sizes, {"vocab_size": 1 + max(words.values()), "pad_token_id": words[pad]}, words[end])
    stream = generator(int(seed).to_bytes(8, "big"), "create-model")
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream.integers(np.iinfo(np.int64).max)))
        automatic(language=preset != "bert").from_config(config).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad, "eos_token": end}, indent=1))
    return folder


def _first(names: tuple[str, ...], words: Mapping[str, int]) -> str:
    found = next((name for name in names if name in words), None)
    if found is None:
        raise BadModelConfig(reason=f"the tokenizer has none of these special tokens: {' '.join(names)}")
    return found


def _glm(kind: str) -> Callable[[Sizes, Mapping[str, int], int], Any]:
    """GLM-4 9B has 2 key heads for 32 query heads; here at most 2, of which the query heads are a multiple."""

    def config(sizes: Sizes, tokens: Mapping[str, int], end: int) -> Any:
        import transformers

        return transformers.CONFIG_MAPPING[kind](
            **tokens,
            eos_token_id=end,
            hidden_size=sizes.hidden,
            intermediate_size=sizes.inner or 4 * sizes.hidden,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=2 if sizes.heads % 2 == 0 else 1,
            head_dim=sizes.hidden // sizes.heads,
            max_position_embeddings=sizes.positions,
            tie_word_embeddings=sizes.tied,
        )

    return config


def _bert(sizes: Sizes, tokens: Mapping[str, int], end: int) -> Any:
    import transformers

    return transformers.BertConfig(
        **tokens,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.inner or 4 * sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        max_position_embeddings=sizes.positions,
    )


PRESETS: Mapping[str, Callable[[Sizes, Mapping[str, int], int], Any]] = {
    "glm": _glm("glm"),
    "glm4": _glm("glm4"),
    "bert": _bert,
}
