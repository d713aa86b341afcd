"""The network as plain modules for export: LoRA, DoRA and IA3 multiplied into the weights, dropout without effect.

Prompts, prefixes and bottlenecks stay what they are: plain modules that any exporter can follow.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from autoglm_workloads.text.adapters.insertion import replace_module
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.reading import attended, pooled, run, side_by_side


class Merged(nn.Module):  # type: ignore[misc]
    """Token ids `(batch, tokens)` -> logits of one head, float32."""

    def __init__(
        self, body: nn.Module, prompt: torch.Tensor | None, linear: nn.Linear | None, head: HeadSpec, pad: int
    ) -> None:
        super().__init__()
        self.body = body
        self.linear = linear
        self.register_buffer("prompt", prompt)
        self.head = head
        self.pad = pad

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """`(batch, outputs)` of a pooled head, else `(batch, tokens, outputs)`."""
        mask = attended(ids, self.pad)
        states = run(self.body, ids, mask, self.prompt, logits=self.linear is None)
        if self.linear is None:
            return states
        if self.head.kind == "pooled":
            states = pooled(states, mask, self.head.pooling)
        logits: torch.Tensor = self.linear(states)
        return logits


class MergedTasks(nn.Module):  # type: ignore[misc]
    """Token ids `(batch, tokens)` -> logits of all heads side by side `(batch, tokens, sum of outputs)`, float32."""

    def __init__(
        self,
        body: nn.Module,
        prompt: torch.Tensor | None,
        linears: Sequence[nn.Linear],
        heads: Sequence[HeadSpec],
        pad: int,
    ) -> None:
        super().__init__()
        self.body = body
        self.linears = nn.ModuleList(linears)
        self.register_buffer("prompt", prompt)
        self.heads = tuple(heads)
        self.pad = pad

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """See the class."""
        mask = attended(ids, self.pad)
        states = run(self.body, ids, mask, self.prompt, logits=False)
        parts = [
            linear(pooled(states, mask, head.pooling) if head.kind == "pooled" else states)
            for linear, head in zip(self.linears, self.heads, strict=True)
        ]
        return side_by_side(parts, ids.shape[1])


def merged_body(body: nn.Module) -> nn.Module:
    """A copy of `body` with peft's layers replaced by plain ones that compute the same."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    copy = deepcopy(body).eval()
    layers: list[tuple[str, Any]] = [(n, m) for n, m in copy.named_modules() if isinstance(m, BaseTunerLayer)]
    for name, layer in layers:
        layer.merge()
        replace_module(copy, name, layer.get_base_layer())
    return copy.requires_grad_(False)
