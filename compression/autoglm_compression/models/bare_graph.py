"""An exported graph without its weights: one tracing for all models of a shape.

Tracing a language model takes seconds, and a study exports one shape many times with other weights. Which initializer
of the graph is which weight is read from the exporter's own two stages: before its optimization every initializer
bears its weight's name, and what the optimization folds is named after the node that made it. So an initializer is a
weight as it is, a weight transposed, or something no weight flows into. Matching by content was rejected: untrained
layers hold many equal tensors. A graph in which the exporter merged weights in any other way has no bare form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir
    from onnx import ModelProto
    from torch import nn

Tensors = Mapping[str, NDArray[Any]]
VALUES_READ = {"Shape": 0, "Size": 0, "CastLike": 1}
"""How many of its inputs an operator reads the values of, not only the shape or the type; all of them elsewhere."""


@dataclass(frozen=True)
class Source:
    """Where the values of an initializer come from; `transposed`: its two axes are exchanged there."""

    tensor: str
    transposed: bool

    def values(self, tensors: Tensors) -> NDArray[Any]:
        """The initializer's values, row by row."""
        found = tensors[self.tensor]
        return np.ascontiguousarray(found.T if self.transposed else found)


@dataclass(frozen=True)
class Weights:
    """All tensors of a module: `trained` are its parameters, `fixed` its buffers, both by name, tied ones repeated."""

    trained: Tensors
    fixed: Tensors

    @classmethod
    def of(cls, module: nn.Module) -> Weights:
        """Views of the module's tensors."""
        return cls(
            {name: value.detach().numpy() for name, value in module.named_parameters(remove_duplicate=False)},
            {name: value.detach().numpy() for name, value in module.named_buffers(remove_duplicate=False)},
        )

    @property
    def form(self) -> str:
        """Hash of the parameters' names, types and shapes, and of the buffers' values, which a tracing may fold."""
        state = hashlib.sha256()
        for name, value in self.trained.items():
            state.update(f"{name} {value.dtype} {value.shape}\n".encode())
        for name, value in self.fixed.items():
            state.update(f"{name} {value.dtype} {value.shape}\n".encode() + value.tobytes())
        return state.hexdigest()


@dataclass(frozen=True)
class BareGraph:
    """`graph`: the ONNX model, the initializers in `sources` empty. `form`: of the weights that fit in."""

    graph: bytes
    sources: Mapping[str, Source]
    form: str

    def fill(self, weights: Weights) -> ModelProto:
        """The model with `weights`, whose form is this graph's."""
        from onnx import ModelProto

        proto, tensors = ModelProto.FromString(self.graph), {**weights.fixed, **weights.trained}
        for tensor in proto.graph.initializer:
            if tensor.name in self.sources:
                values = self.sources[tensor.name].values(tensors)
                tensor.raw_data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        return proto


@dataclass(frozen=True)
class Node:
    """One node of a graph; `exchange`: it exchanges the two axes of a matrix."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    exchange: bool


def exported_nodes(graph: ir.Graph) -> tuple[Node, ...]:
    """The nodes of a graph in their order, as long as nothing has optimized it."""

    def names(values: Iterable[ir.Value | None]) -> tuple[str, ...]:
        return tuple(value.name or "" for value in values if value is not None)

    return tuple(
        Node(
            node.op_type,
            names(node.inputs),
            names(node.outputs),
            node.op_type == "Transpose" and _axes(node) == [1, 0],
        )
        for node in graph
    )


def _axes(node: ir.Node) -> list[int]:
    """Of a transposition that says them."""
    axes = node.attributes.get("perm")
    return [] if axes is None else list(axes.as_ints())


def bare_graph(nodes: Sequence[Node], model: ModelProto, weights: Weights) -> BareGraph | None:
    """What is left of `model` without its weights, which an optimization made of `nodes`; None where it merged some.

    The weights in `model` are of no account.
    """
    sources = _sources(nodes, model, weights)
    if sources is None:
        return None
    for tensor in model.graph.initializer:
        if tensor.name in sources:
            tensor.ClearField("raw_data")
    return BareGraph(model.SerializeToString(deterministic=True), sources, weights.form)


def _sources(nodes: Sequence[Node], model: ModelProto, weights: Weights) -> dict[str, Source] | None:
    known = {name: Source(name, False) for name in (*weights.fixed, *weights.trained)}
    for node in nodes:
        if node.exchange and node.inputs[0] in weights.trained:
            known[node.outputs[0]] = Source(node.inputs[0], True)
    constant, sources = _independent(nodes, weights), {}
    for tensor in model.graph.initializer:
        if tensor.name in known:
            sources[tensor.name] = known[tensor.name]
        elif tensor.name not in constant and _is_float(tensor):
            return None
    return sources


def _independent(nodes: Sequence[Node], weights: Weights) -> set[str]:
    """Values that no parameter flows into."""
    reached = set(weights.trained)
    independent: set[str] = set()
    for node in nodes:
        inputs = node.inputs[: VALUES_READ.get(node.operator)]
        (independent if reached.isdisjoint(inputs) else reached).update(node.outputs)
    return independent


def _is_float(tensor: Any) -> bool:
    """Shapes and indices are integers; the optimization makes new ones of them under new names."""
    from onnx import TensorProto

    return tensor.data_type in {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
