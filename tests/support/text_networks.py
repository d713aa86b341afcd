"""Networks of tiny models under every tuning method, and texts for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from autoglm_core.workload import Vector
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.methods import Method
from autoglm_workloads.text.network import Network, build
from support.tiny_architectures import WORDS, TinyModels

SEED = b"s" * 32
METHODS = {
    "full": Method("full"),
    "head": Method("head"),
    "lora": Method("lora", lora_rank=4, lora_dropout=0.3),
    "lora-plain": Method("lora", lora_rank=4, lora_averaging="plain", lora_targets="all"),
    "rslora": Method("lora", lora_rank=4, lora_variant="rslora", lora_targets="feed-forward"),
    "dora": Method("lora", lora_rank=4, lora_variant="dora", lora_dropout=0.3),
    "ia3": Method("ia3"),
    "prefix": Method("prefix", prompt_length=3),
    "prompt": Method("prompt", prompt_length=3),
    "adapter": Method("adapter", adapter_size=5, adapter_after="all"),
}
POOLED = {"topic": HeadSpec("pooled", 3)}
# Four texts; the second ends early, the last after one word.
IDS = torch.tensor(np.random.default_rng(0).integers(2, WORDS, (4, 9)))
IDS[1, 5:] = 0
IDS[3, 1:] = 0


def network_of(
    models: TinyModels,
    architecture: str,
    method: Method,
    heads: Mapping[str, HeadSpec] = POOLED,
    *,
    dropout: float = 0.2,
) -> Network:
    return build(models[architecture], method, heads, study_seed=SEED, dropout=dropout)


def somewhere(network: Network, seed: int = 1) -> Vector:
    """A vector far from where the network starts, so that every tensor of it matters."""
    noise = np.random.default_rng(seed).normal(0, 0.2, network.layout.size).astype(np.float32)
    return network.vector() + noise


def logits(module: Any, *arguments: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    with torch.no_grad():
        found: np.ndarray[Any, np.dtype[np.float32]] = module(*arguments).numpy()
    return found
