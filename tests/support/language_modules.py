"""Tiny language models of transformers' own classes, as the workloads hand them to the exporter: ids in, logits out."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn

from autoglm_compression.models.language_graph import LanguageGraph, export_language

VOCABULARY = 96
HIDDEN = 32
PAD = 0
LENGTH = 12
CLASSES = 20
"""So many that the head is worth quantizing."""
_SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "pad_token_id": PAD,
}


class Pooled(nn.Module):  # type: ignore[misc]
    """An encoder, the mean over what is no padding, and a head: ids `(batch, length)` to logits `(batch, classes)`."""

    def __init__(self, backbone: nn.Module, hidden: int, classes: int = CLASSES) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(hidden, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        mask = (ids != PAD).long()
        states = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(states.dtype)
        logits: torch.Tensor = self.head((states * weight).sum(1) / weight.sum(1).clamp(min=1))
        return logits


class Language(nn.Module):  # type: ignore[misc]
    """A decoder with its language head: ids `(batch, length)` to logits `(batch, length, vocabulary)`."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        mask = (ids != PAD).long()
        logits: torch.Tensor = self.decoder(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return logits


def encoder(*, seed: int = 0) -> Pooled:
    """BERT with random weights."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    made = Pooled(BertModel(BertConfig(**_SIZES), add_pooling_layer=False), HIDDEN)
    made.eval()
    return made


def decoder(family: str, *, seed: int = 0) -> Language:
    """A `llama`, `glm` or `glm4` with random weights and grouped queries."""
    import transformers

    name = {"llama": "Llama", "glm": "Glm", "glm4": "Glm4"}[family]
    sizes: dict[str, Any] = {**_SIZES, "num_key_value_heads": 2, "head_dim": 8}
    torch.manual_seed(seed)
    config = getattr(transformers, f"{name}Config")(**sizes)
    made = Language(getattr(transformers, f"{name}ForCausalLM")(config))
    made.eval()
    return made


@cache
def exported_encoder() -> LanguageGraph:
    """The encoder's graph, the first one of the key `encoder`; traced once for all tests."""
    return export_language(encoder(), length=LENGTH, vocabulary=VOCABULARY, pad=PAD, key="encoder")
