"""LoRA fine-tuning of an encoder as one would write it by hand with transformers and peft, to compare ours with.

The model is transformers' own, the adapter peft's, the head a linear layer on the mean over tokens. Batches come from
outside, as tensors, so that a comparison can give both sides the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModel

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = ["query", "key", "value", "attention.output.dense"]
"""The projections of BERT's attention."""


class HandMade(nn.Module):  # type: ignore[misc]
    """An encoder with peft's LoRA in its attention, mean pooling and a linear head; only these two train."""

    def __init__(self, folder: Path, *, classes: int, rank: int, pad: int) -> None:
        super().__init__()
        encoder = AutoModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=TARGETS)
        self.encoder = get_peft_model(encoder, config)
        self.head = nn.Linear(encoder.config.hidden_size, classes)
        self._pad = pad

    def forward(self, ids: Tensor) -> Tensor:
        """Logits `(rows, classes)` of `ids` `(rows, tokens)`."""
        mask = ids != self._pad
        states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        mean = (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return self.head(mean)

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that train, by name."""
        return [(name, tensor) for name, tensor in self.named_parameters() if tensor.requires_grad]


def train_by_hand(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, rate: float) -> float:
    """One pass of AdamW over `batches` of ids and labels; returns the mean loss."""
    tensors = [tensor for tensor in model.parameters() if tensor.requires_grad]
    optimizer = torch.optim.AdamW(tensors, lr=rate, weight_decay=0.0)
    model.train()
    total, rows = 0.0, 0
    for ids, labels in batches:
        loss = nn.functional.cross_entropy(model(ids), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tensors, 1.0)
        optimizer.step()
        total += loss.item() * len(labels)
        rows += len(labels)
    return total / rows
