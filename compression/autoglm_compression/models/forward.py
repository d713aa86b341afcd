"""The chain in torch: the definition that every exported graph is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autoglm_compression.models.chain import Chain, Convolution, bias_name, weight_name

if TYPE_CHECKING:
    from torch import Tensor


def forward(chain: Chain, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Logits `(rows, classes)` of `inputs` `(rows, *input_shape)`; differentiable in `tensors`."""
    from torch.nn import functional

    values = inputs
    for layer in chain.layers:
        weight, bias = tensors[weight_name(layer)], tensors[bias_name(layer)]
        if isinstance(layer, Convolution):
            values = functional.conv2d(values, weight, bias, padding=layer.padding).relu()
            values = functional.max_pool2d(values, layer.pool) if layer.pool > 1 else values
            continue
        values = functional.linear(values.flatten(1), weight, bias)
        values = values if layer is chain.head else values.relu()
    return values
