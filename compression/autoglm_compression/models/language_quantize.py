"""A language model's graph with int8 weights and no calibration.

Every product with a constant matrix (MatMul, Gemm) quantizes its input as it comes, row-independent of other inputs,
and multiplies integers; attention between activations stays float. Weights use 7 of the 8 bits on every machine
(quantize.py), so that one artifact is as accurate on a processor without VNNI as on one with it. Embedding tables,
half of a small encoder's file, are packed per row in 8 bits and unpacked after the look-up, which costs nothing
measurable. The result agrees with `onnxruntime.quantization.quantize_dynamic(per_channel=True, reduce_range=True)`
where that quantizes; it is written here because that one infers shapes of the whole model through files on disk,
stumbles over the exporter's, and quantizes a table with one scale for all of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.quantize import UNPACKED_LIMIT, WEIGHT_LIMIT, quantize_weight

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

FLOAT = 1
"""onnx.TensorProto.FLOAT."""
NARROWEST = 16
"""Outputs of a matrix below which quantizing costs more time than it saves; heads of few classes stay float."""


def quantize_language(model: bytes) -> bytes:
    """The int8-dynamic variant of a graph that `export_language` wrote; same bytes for same bytes."""
    from onnx import ModelProto

    proto = ModelProto.FromString(model)
    _Quantizer(proto).run()
    return bytes(proto.SerializeToString(deterministic=True))


@dataclass
class _Quantizer:
    """Rewrites the nodes of `proto` in place, in their order."""

    proto: ModelProto
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(init=False)
    packed: set[str] = field(default_factory=set)
    """Names of tensors and values that were made: inputs quantized for one node serve the next one."""

    def __post_init__(self) -> None:
        self.constants = {tensor.name: tensor for tensor in self.proto.graph.initializer}

    def run(self) -> None:
        graph = self.proto.graph
        for node in graph.node:
            if (matrix := self._matrix(node)) is not None:
                self._product(node, matrix)
            elif self._is_table(node):
                self._look_up(node)
            else:
                self.nodes.append(node)
        read = {name for node in self.nodes for name in node.input} | {value.name for value in graph.output}
        nodes = list(self.nodes)
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(tensor for name, tensor in self.constants.items() if name in read)

    def _matrix(self, node: NodeProto) -> NDArray[np.float32] | None:
        """The constant matrix `(outputs, inputs)` that a node multiplies with, if it is worth quantizing."""
        if node.op_type not in {"MatMul", "Gemm"} or not self._is_matrix(node.input[1]):
            return None
        options = _options(node)
        if options.get("transA", 0) or options.get("alpha", 1.0) != 1.0 or options.get("beta", 1.0) != 1.0:
            return None
        values = self._values(node.input[1])
        matrix = values if options.get("transB", 0) else values.T
        return matrix if len(matrix) >= NARROWEST else None

    def _is_table(self, node: NodeProto) -> bool:
        return node.op_type == "Gather" and _options(node).get("axis", 0) == 0 and self._is_matrix(node.input[0])

    def _is_matrix(self, name: str) -> bool:
        found = self.constants.get(name)
        return found is not None and found.data_type == FLOAT and len(found.dims) == 2

    def _values(self, name: str) -> NDArray[np.float32]:
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self.constants[name]), dtype=np.float32)

    def _product(self, node: NodeProto, matrix: NDArray[np.float32]) -> None:
        (out,), value, weight = node.output, node.input[0], node.input[1]
        row, scale, zero = f"{value}.int8", f"{value}.scale", f"{value}.zero"
        if row not in self.packed:
            self._node("DynamicQuantizeLinear", [value], row, scale, zero)
            self.packed.add(row)
        form = f"{weight}.{'rows' if _options(node).get('transB', 0) else 'columns'}"
        if form not in self.packed:
            packed = quantize_weight(matrix, limit=WEIGHT_LIMIT)
            self._constant(f"{form}.int8", packed.values.T)
            self._constant(f"{form}.scale", packed.scales)
            self._constant(f"{form}.zero", np.zeros(len(matrix), np.int8))
            self.packed.add(form)
        self._node("MatMulInteger", [row, f"{form}.int8", zero, f"{form}.zero"], f"{out}.product")
        self._node("Cast", [f"{out}.product"], f"{out}.cast", to=FLOAT)
        self._node("Mul", [scale, f"{form}.scale"], f"{out}.unit")
        biased = len(node.input) > 2 and node.input[2] != ""
        self._node("Mul", [f"{out}.cast", f"{out}.unit"], f"{out}.scaled" if biased else out)
        if biased:
            self._node("Add", [f"{out}.scaled", node.input[2]], out)

    def _look_up(self, node: NodeProto) -> None:
        (out,), table, ids = node.output, node.input[0], node.input[1]
        if f"{table}.table" not in self.packed:
            packed = quantize_weight(self._values(table), limit=UNPACKED_LIMIT)
            self._constant(f"{table}.table.int8", packed.values)
            self._constant(f"{table}.table.scale", packed.scales[:, None])
            self.packed.add(f"{table}.table")
        self._node("Gather", [f"{table}.table.int8", ids], f"{out}.row")
        self._node("Cast", [f"{out}.row"], f"{out}.cast", to=FLOAT)
        self._node("Gather", [f"{table}.table.scale", ids], f"{out}.unit")
        self._node("Mul", [f"{out}.cast", f"{out}.unit"], out)

    def _constant(self, name: str, values: NDArray[Any]) -> None:
        from onnx import numpy_helper

        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)

    def _node(self, kind: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=outputs[0], **attributes))


def _options(node: NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
