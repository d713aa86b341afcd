"""Tiny models of the architectures that tuning methods are tried on: 2 layers of width 32, random weights, 40 tokens.

`TinyModels(folder)["glm4"]` puts the model on the shelf `folder` when it is first asked for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.text_models import on_shelf

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel

WORDS = 40
POSITIONS = 40
UNKNOWN = "[UNK]"
ENCODERS = ("bert", "roberta", "distilbert")
DECODERS = ("glm", "glm4", "llama")
FUSED = "gpt2"
"""Its queries, keys and values are one linear map, and its linear maps are transposed."""


class TinyModels:
    """Models by architecture; a decoder's name with `-tied` behind it has its embeddings before the logits, too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, ShelvedModel] = {}

    def __getitem__(self, architecture: str) -> ShelvedModel:
        if architecture not in self._made:
            self._made[architecture] = _put(architecture, self._folder)
        return self._made[architecture]


def _put(architecture: str, shelf: Path) -> ShelvedModel:
    import torch
    import transformers

    from autoglm_workloads.models.describe import describe
    from autoglm_workloads.models.loading import quiet
    from autoglm_workloads.models.shelf import put

    name, _, tied = architecture.partition("-")
    config = transformers.CONFIG_MAPPING[name](
        vocab_size=WORDS, pad_token_id=0, tie_word_embeddings=bool(tied), **_sizes(name)
    )
    automatic = transformers.AutoModel if name in ENCODERS else transformers.AutoModelForCausalLM
    with tempfile.TemporaryDirectory() as place, on_shelf(shelf), quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        automatic.from_config(config).save_pretrained(place)
        _write_tokenizer(Path(place) / "tokenizer.json")
        return put(Path(place), name=architecture, describe=describe)


def _sizes(name: str) -> dict[str, Any]:
    if name == "distilbert":
        return {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": POSITIONS}
    if name == FUSED:
        return {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS, "eos_token_id": 1, "bos_token_id": 1}
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": POSITIONS,
    }
    return sizes if name in ENCODERS else sizes | {"num_key_value_heads": 2, "head_dim": 8, "eos_token_id": 1}


def _write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models

    words = {"[PAD]": 0, UNKNOWN: 1, **{f"w{number}": number for number in range(2, WORDS)}}
    Tokenizer(models.WordLevel(words, unk_token=UNKNOWN)).save(str(path))
