"""Prefix tuning (Li and Liang 2021): learned keys and values stand before those of the text in every layer.

An attention function of our own, registered with transformers, puts them there: it works the same in encoders and
decoders, in training, with gradient checkpointing and in an exported graph. They have no positions (behind a rotation
where the model rotates keys) and take none from the text. The paper's reparametrisation by a network is left out: with
an adaptive optimizer the plain tensors train as well, and only they would be kept.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

ATTENTION = "autoglm-prefix"


class Prefix(nn.Module):  # type: ignore[misc]
    """`keys` `(length, key outputs)` and `values` `(length, value outputs)` of one layer."""

    def __init__(self, length: int, key_outputs: int, value_outputs: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.zeros(length, key_outputs))
        self.values = nn.Parameter(torch.zeros(length, value_outputs))

    def before(self, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values `(batch, heads, tokens, size)` with the learned ones before them."""
        return _joined(self.keys, key), _joined(self.values, value)


def attend_to_prefixes(body: Any) -> None:
    """Make the attention layers of `body` see their prefixes."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    body.set_attn_implementation(ATTENTION)


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **settings: Any
) -> Any:
    """Sdpa over the prefix and the text. `attention_mask`: bool `(batch, 1, queries, keys)`, or None."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    length = module.prefix.keys.shape[0]
    mask = attention_mask
    if mask is None and getattr(module, "is_causal", False):
        tokens = query.shape[2]
        mask = torch.ones(1, 1, tokens, tokens, dtype=torch.bool, device=query.device).tril()
    if mask is not None:
        mask = nn.functional.pad(mask, (length, 0), value=True)
    key, value = module.prefix.before(key, value)
    return sdpa_attention_forward(module, query, key, value, mask, **settings)


def _joined(learned: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    heads = learned.view(1, learned.shape[0], own.shape[1], own.shape[3]).transpose(1, 2).to(own.dtype)
    return torch.cat([heads.expand(own.shape[0], -1, -1, -1), own], dim=2)
