"""Writing ONNX graphs directly, in milliseconds.

torch.onnx.export needs half a second warm and over two cold, and then leaves names and value infos to be repaired
before anything can be quantized. A chain is a dozen nodes, so they are written here and compared with torch afterwards
(numerics.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Array, Chain, Convolution, Dense, Layer

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 20
IR_VERSION = 10
"""Not the newest, so that the onnxruntime of an older device still reads it."""
INPUT = "input"
LOGITS = "logits"


class ChainWriter:
    """Writes a chain layer by layer. `value` names the output of what was written last.

    Nodes are named by their output.
    """

    def __init__(self, chain: Chain, fill: Array | None) -> None:
        self.chain = chain
        self.value = INPUT
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        if fill is not None:
            missing = self.node("IsNaN", [INPUT], "missing")
            self.value = self.node("Where", [missing, self.constant("fill", fill.astype(np.float32)), INPUT], "filled")

    def layer(self, name: str) -> Layer:
        """The chain's layer called `name`."""
        return next(layer for layer in self.chain.layers if layer.name == name)

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add an initializer; returns its name."""
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its first output."""
        from onnx import helper

        self._nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=outputs[0], **attributes))
        return outputs[0]

    def flatten(self, layer: Dense) -> bool:
        """Flatten channels and positions if `layer` follows a convolution; returns whether it did."""
        index = self.chain.layers.index(layer)
        needed = index > 0 and isinstance(self.chain.layers[index - 1], Convolution)
        if needed:
            self.value = self.node("Flatten", [self.value], f"{layer.name}.flat", axis=1)
        return needed

    def linear(self, layer: Layer, weight: str, bias: str, *, transposed: bool = False) -> None:
        """The convolution or matrix product; `transposed`: a dense weight is `(outputs, inputs)`."""
        inputs = [self.value, weight, bias]
        if isinstance(layer, Dense):
            self.value = self.node("Gemm", inputs, self.linear_name(layer), transB=int(transposed))
        else:
            self.value = self.node(
                "Conv",
                inputs,
                self.linear_name(layer),
                kernel_shape=[layer.kernel] * 2,
                pads=[layer.padding] * 4,
            )

    def linear_name(self, layer: Layer) -> str:
        """Name of the layer's output before its ReLU; the head's is the graph's output."""
        return LOGITS if layer is self.chain.head else f"{layer.name}.linear"

    def activate(self, layer: Layer) -> None:
        """ReLU, except after the head."""
        if layer is not self.chain.head:
            self.value = self.node("Relu", [self.value], f"{layer.name}.active")

    def pool(self, layer: Layer) -> bool:
        """Maximum over positions if the layer asks for it; returns whether it did."""
        if not isinstance(layer, Convolution) or layer.pool == 1:
            return False
        size = [layer.pool] * 2
        self.value = self.node("MaxPool", [self.value], f"{layer.name}.pooled", kernel_shape=size, strides=size)
        return True

    def finish(self, watched: Sequence[str] = ()) -> ModelProto:
        """The model: input `(batch, *input_shape)`, outputs logits and `watched`, all float32."""
        from onnx import TensorProto, helper

        def info(name: str, shape: Sequence[int]) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

        shapes = self.chain.layer_inputs()
        outputs = [info(LOGITS, (self.chain.head.outputs,))]
        outputs += [info(name, shapes[name.removeprefix("watch/")]) for name in watched]
        graph = helper.make_graph(
            self._nodes, "autoglm", [info(INPUT, self.chain.input_shape)], outputs, self._constants
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="autoglm")
