"""A network that is one chain of convolutions and dense layers with ReLU between them.

One description serves training (torch), pruning, and the float and int8 ONNX graphs, so that they cannot drift apart: a
variant is another chain with other tensors, never a patched graph. Chains cover logistic regression, multilayer
perceptrons and small convolutional networks; a network with branches needs another description, not a flag here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Convolution:
    """Square odd kernel at stride 1 that keeps the size, then ReLU, then the maximum over `pool` x `pool` positions.

    Weight `(outputs, inputs, kernel, kernel)`. Pooling rather than strides: on 8 x 8 images it was half a point more
    accurate with the same work (measured).
    """

    name: str
    inputs: int
    outputs: int
    pool: int = 1
    kernel: int = 3

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return self.kernel // 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight."""
        return (self.outputs, self.inputs, self.kernel, self.kernel)

    def span(self, size: int) -> int:
        """Positions of the output along an axis of `size` positions; a rest that fills no window is dropped."""
        return size // self.pool


@dataclass(frozen=True)
class Dense:
    """Weight `(outputs, inputs)`; ReLU after every dense layer but the chain's last."""

    name: str
    inputs: int
    outputs: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight."""
        return (self.outputs, self.inputs)


Layer = Convolution | Dense


@dataclass(frozen=True)
class Chain:
    """`input_shape` without the batch axis: `(channels, height, width)` or `(features,)`; the last layer is dense.

    Between the last convolution and the first dense layer the channels are flattened, positions running fastest.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors in their order: `layer.weight`, `layer.bias`, ..."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            shapes[weight_name(layer)] = layer.shape
            shapes[bias_name(layer)] = (layer.outputs,)
        return shapes

    def to_json(self) -> Json:
        """All that latency and size depend on, as plain JSON values."""
        layers = [
            {**asdict(layer), "kind": "convolution" if isinstance(layer, Convolution) else "dense"}
            for layer in self.layers
        ]
        return {"input": list(self.input_shape), "layers": layers}

    @property
    def head(self) -> Layer:
        """The layer that yields the logits."""
        return self.layers[-1]

    def layer_inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of what enters each layer, without the batch axis and before any flattening."""
        shapes: dict[str, tuple[int, ...]] = {}
        shape = self.input_shape
        for layer in self.layers:
            shapes[layer.name] = shape
            spans = (layer.span(shape[1]), layer.span(shape[2])) if isinstance(layer, Convolution) else ()
            shape = (layer.outputs, *spans)
        return shapes


def weight_name(layer: Layer) -> str:
    """Name of the layer's weight among the tensors."""
    return f"{layer.name}.weight"


def bias_name(layer: Layer) -> str:
    """Name of the layer's bias among the tensors."""
    return f"{layer.name}.bias"


def fold_input(chain: Chain, tensors: Tensors, *, mean: Array, deviation: Array) -> dict[str, Array]:
    """Tensors for raw inputs x that act like `tensors` on `(x - mean) / deviation`.

    `mean`, `deviation`: `(features,)` before a dense layer. Before a convolution both are scalars and the mean must be
    0, because padding adds zeros, not means.
    """
    layer = chain.layers[0]
    weight = tensors[weight_name(layer)].astype(np.float64) / deviation
    folded = dict(tensors)
    folded[weight_name(layer)] = weight.astype(np.float32)
    if isinstance(layer, Dense):
        bias = tensors[bias_name(layer)] - weight @ mean.astype(np.float64)
        folded[bias_name(layer)] = bias.astype(np.float32)
    return folded
