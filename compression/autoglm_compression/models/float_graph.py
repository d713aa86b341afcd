"""The chain as a float32 ONNX graph, alone or with its activations as further outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_compression.models.chain import Array, Chain, Dense, Tensors, bias_name, weight_name
from autoglm_compression.models.graph import ChainWriter

if TYPE_CHECKING:
    from onnx import ModelProto


def float_model(
    chain: Chain, tensors: Tensors, *, fill: Array | None = None, watch: tuple[str, ...] = ()
) -> ModelProto:
    """The chain's graph: input `(batch, *input_shape)`, output logits.

    `fill`: `(features,)`, put in the place of missing (NaN) inputs. `watch`: names of layers whose input becomes a
    further output, in that order, named `watch/<layer>`.
    """
    writer = ChainWriter(chain, fill)
    watched = [f"watch/{layer.name}" for layer in chain.layers if layer.name in watch]
    for layer in chain.layers:
        if layer.name in watch:
            writer.node("Identity", [writer.value], f"watch/{layer.name}")
        write_float_layer(writer, layer.name, tensors)
    return writer.finish(watched)


def write_float_layer(writer: ChainWriter, name: str, tensors: Tensors) -> None:
    """The layer called `name` in float32, with its ReLU and pooling."""
    layer = writer.layer(name)
    if isinstance(layer, Dense):
        writer.flatten(layer)
    weight = writer.constant(weight_name(layer), tensors[weight_name(layer)])
    bias = writer.constant(bias_name(layer), tensors[bias_name(layer)])
    writer.linear(layer, weight, bias, transposed=True)
    writer.activate(layer)
    writer.pool(layer)
