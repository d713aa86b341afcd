"""Small ONNX models for tests of measuring."""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

CLASSES = 4


def two_layers(width: int, *, seed: int = 0, external: bool = False) -> bytes:
    """`(batch, width)` -> ReLU layer -> `(batch, 4)`, with random weights; `external`: its weights in another file."""
    stream = np.random.default_rng(seed)
    held = [
        numpy_helper.from_array(stream.standard_normal((width, width)).astype(np.float32), "w"),
        numpy_helper.from_array(stream.standard_normal((width, CLASSES)).astype(np.float32), "v"),
    ]
    if external:
        set_external_data(held[0], "../weights.bin")
    return _model(
        [
            helper.make_node("MatMul", ["input", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "v"], ["logits"]),
        ],
        width,
        held,
    )


def looked_up(width: int) -> bytes:
    """Ids `(batch, length)` -> entries of a table -> `(batch, length, 4)`."""
    stream = np.random.default_rng(0)
    held = [
        numpy_helper.from_array(stream.standard_normal((100, width)).astype(np.float32), "table"),
        numpy_helper.from_array(stream.standard_normal((width, CLASSES)).astype(np.float32), "v"),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "input"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "length"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", CLASSES])]
    return _bytes(helper.make_graph(nodes, "test", inputs, outputs, held))


def constant_in_branch(width: int, *, depth: int) -> bytes:
    """A model whose external tensor lies in a constant, `depth` sub-graphs down."""
    tensor = numpy_helper.from_array(np.ones((width, CLASSES), np.float32), "v")
    set_external_data(tensor, "/etc/passwd")
    nodes = [helper.make_node("Constant", [], ["v"], value=tensor)]
    for _ in range(depth):
        out = [helper.make_tensor_value_info("v", TensorProto.FLOAT, [width, CLASSES])]
        branch = helper.make_graph(nodes, "branch", [], out)
        nodes = [helper.make_node("If", ["yes"], ["v"], then_branch=branch, else_branch=branch)]
    yes = numpy_helper.from_array(np.array(True), "yes")
    return _model([*nodes, helper.make_node("MatMul", ["input", "v"], ["logits"])], width, [yes])


def _model(nodes: list[object], width: int, held: list[object]) -> bytes:
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", width])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])]
    return _bytes(helper.make_graph(nodes, "test", inputs, outputs, held))


def _bytes(graph: GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())
