"""The chain with int8 weights and no calibration.

Dense layers quantize their input as it comes and multiply integers. Convolutions only store their weight in int8 and
compute in float: onnxruntime's ConvInteger was 4 to 6 times slower than its float convolution (measured). Their weight
is unpacked by Cast and Mul rather than DequantizeLinear, because the runtime folds the former once at loading and runs
the latter every time; so the file is a quarter of the size and the latency that of float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.chain import Array, Chain, Convolution, Dense, Tensors, bias_name, weight_name
from autoglm_compression.models.float_graph import write_float_layer
from autoglm_compression.models.graph import ChainWriter
from autoglm_compression.models.quantize import quantize_weight

if TYPE_CHECKING:
    from onnx import ModelProto

FLOAT = 1
"""onnx.TensorProto.FLOAT."""


def dynamic_model(
    chain: Chain, tensors: Tensors, *, quantized: tuple[str, ...], fill: Array | None = None
) -> ModelProto:
    """The chain with int8 weights in the layers named in `quantized`; the others stay float."""
    writer = ChainWriter(chain, fill)
    for layer in chain.layers:
        if layer.name not in quantized:
            write_float_layer(writer, layer.name, tensors)
            continue
        if isinstance(layer, Convolution):
            _write_convolution(writer, layer, tensors)
        else:
            _write_dense(writer, layer, tensors)
        writer.activate(layer)
        writer.pool(layer)
    return writer.finish()


def _write_convolution(writer: ChainWriter, layer: Convolution, tensors: Tensors) -> None:
    name = weight_name(layer)
    packed = quantize_weight(tensors[name])
    cast = writer.node("Cast", [writer.constant(f"{name}.int8", packed.values)], f"{name}.cast", to=FLOAT)
    scale = writer.constant(f"{name}.scale", packed.scales.reshape(-1, 1, 1, 1))
    weight = writer.node("Mul", [cast, scale], name)
    writer.linear(layer, weight, writer.constant(bias_name(layer), tensors[bias_name(layer)]))


def _write_dense(writer: ChainWriter, layer: Dense, tensors: Tensors) -> None:
    writer.flatten(layer)
    name = layer.name
    packed = quantize_weight(tensors[weight_name(layer)])
    row, scale, zero = f"{name}.int8", f"{name}.scale", f"{name}.zero"
    writer.node("DynamicQuantizeLinear", [writer.value], row, scale, zero)
    weight = writer.constant(f"{weight_name(layer)}.int8", packed.values.T)
    weight_zero = writer.constant(f"{weight_name(layer)}.zero", np.zeros((), np.int8))
    product = writer.node("MatMulInteger", [row, weight, zero, weight_zero], f"{name}.product")
    real = writer.node("Cast", [product], f"{name}.cast", to=FLOAT)
    unit = writer.node("Mul", [scale, writer.constant(f"{weight_name(layer)}.scale", packed.scales)], f"{name}.unit")
    scaled = writer.node("Mul", [real, unit], f"{name}.scaled")
    bias = writer.constant(bias_name(layer), tensors[bias_name(layer)])
    writer.value = writer.node("Add", [scaled, bias], writer.linear_name(layer))
