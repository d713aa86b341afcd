"""Bottleneck adapters (Houlsby et al. 2019): down, GELU, up, and a residual, behind a linear layer.

The linear layer is the one that ends the attention or the feed-forward part, so the bottleneck stands before the
model's own residual and normalisation, as in the paper (there after that part's dropout, here before it: the dropout
then covers what the bottleneck adds, too).

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


class Bottleneck(nn.Module):  # type: ignore[misc]
    """`base`, then `x + up(gelu(down(x)))` over `width` numbers, `size` of them in the middle."""

    def __init__(self, base: nn.Module, width: int, size: int) -> None:
        super().__init__()
        self.base = base
        self.adapter = nn.Sequential(
            OrderedDict(down=nn.Linear(width, size), activation=nn.GELU(), up=nn.Linear(size, width))
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """`(..., inputs of base)` -> `(..., width)`."""
        outputs = self.base(inputs)
        return outputs + self.adapter(outputs)
