"""The chain as an int8 graph with fixed activation ranges, in QDQ form.

Each convolution stands between DequantizeLinear and QuantizeLinear; onnxruntime fuses the group into one integer
convolution with the ReLU folded into the clamp of its output. QDQ rather than QLinearConv nodes, because other runtimes
(TensorRT, OpenVINO) read the same file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.chain import Array, Chain, Dense, Layer, Tensors, bias_name, weight_name
from autoglm_compression.models.float_graph import write_float_layer
from autoglm_compression.models.graph import ChainWriter
from autoglm_compression.models.quantize import ActivationRange, quantize_bias, quantize_weight

if TYPE_CHECKING:
    from onnx import ModelProto

Ranges = Mapping[str, ActivationRange]


def static_model(chain: Chain, tensors: Tensors, ranges: Ranges, *, fill: Array | None = None) -> ModelProto:
    """The chain with int8 arithmetic in the layers whose input has a range in `ranges`; the others stay float."""
    writer = ChainWriter(chain, fill)
    for index, layer in enumerate(chain.layers):
        if layer.name not in ranges:
            write_float_layer(writer, layer.name, tensors)
            continue
        following = chain.layers[index + 1].name if layer is not chain.head else ""
        _write_layer(writer, layer, tensors, ranges[layer.name], ranges.get(following))
    return writer.finish()


def _write_layer(
    writer: ChainWriter, layer: Layer, tensors: Tensors, before: ActivationRange, after: ActivationRange | None
) -> None:
    """One int8 layer; `before`, `after`: ranges of its input and, if the next layer is int8 too, of its output.

    Pooling and flattening stand between two pairs of one range, so that the runtime does them on bytes.
    """
    _through_int8(writer, f"{layer.name}.in", before)
    if isinstance(layer, Dense) and writer.flatten(layer):
        _through_int8(writer, f"{layer.name}.row", before)
    axis = 1 if isinstance(layer, Dense) else 0
    writer.linear(layer, *_parameters(writer, layer, tensors, before, axis=axis))
    writer.activate(layer)
    if after is not None:
        _through_int8(writer, f"{layer.name}.out", after)
    writer.pool(layer)


def _through_int8(writer: ChainWriter, name: str, activation: ActivationRange) -> None:
    """Quantize and dequantize the current value; the runtime fuses the two into their neighbours."""
    scale = writer.constant(f"{name}.scale", np.asarray(activation.scale))
    zero = writer.constant(f"{name}.zero", np.asarray(activation.zero_point))
    quantized = writer.node("QuantizeLinear", [writer.value, scale, zero], f"{name}.int8")
    writer.value = writer.node("DequantizeLinear", [quantized, scale, zero], f"{name}.float")


def _parameters(
    writer: ChainWriter, layer: Layer, tensors: Tensors, activation: ActivationRange, *, axis: int
) -> tuple[str, str]:
    """Int8 weight and int32 bias behind DequantizeLinear; output channels along `axis` (1: transposed, for Gemm)."""
    weight, bias = weight_name(layer), bias_name(layer)
    quantized = quantize_weight(tensors[weight])
    values = quantized.values if axis == 0 else quantized.values.T
    # Zero points could be left out, but then onnxruntime does not fuse the Gemm and unpacks its weight on every run.
    zeros = np.zeros(layer.outputs, np.int32)
    weight_inputs = [
        writer.constant(f"{weight}.int8", values),
        writer.constant(f"{weight}.scale", quantized.scales),
        writer.constant(f"{weight}.zero", zeros.astype(np.int8)),
    ]
    scales = (quantized.scales * activation.scale).astype(np.float32)
    bias_inputs = [
        writer.constant(f"{bias}.int32", quantize_bias(tensors[bias], scales)),
        writer.constant(f"{bias}.scale", scales),
        writer.constant(f"{bias}.zero", zeros),
    ]
    return (
        writer.node("DequantizeLinear", weight_inputs, weight, axis=axis),
        writer.node("DequantizeLinear", bias_inputs, bias, axis=0),
    )
