"""Torch's ONNX exporter, and what has to be done around it so that one tracing serves many models.

Its optimization looks at the weights: it shares what is equal (all biases of a model that nobody trained) and drops
factors of 1 and terms of 0. The graph would then be right for the module that was traced alone. So it gets to see
stand-ins that are all different, and the weights are filled in afterwards (bare_graph.py). What the exporter notes
beside each node (source files with their folders, line numbers) is taken out: a model gives the same bytes everywhere.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.bare_graph import BareGraph, Weights, bare_graph, exported_nodes
from autoglm_compression.models.graph import INPUT, IR_VERSION, LOGITS, OPSET

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn
    from torch.onnx import ONNXProgram

Ids = NDArray[np.int64]


def trace_bare(module: nn.Module, ids: Ids, weights: Weights) -> BareGraph | None:
    """The graph of `module` without its `weights`; None where the exporter merges some of them.

    `ids`: `(rows, length)`, both at least 2, because the exporter takes an axis of 1 for fixed.
    """
    import onnx_ir

    program = _trace(module, ids)
    nodes = exported_nodes(program.model.graph)
    for index, (name, value) in enumerate(program.model.graph.initializers.items()):
        if name in weights.trained:
            weight = weights.trained[name]
            value.const_value = onnx_ir.tensor(np.full(weight.shape, index + 2, weight.dtype))
    return bare_graph(nodes, _optimized(program), weights)


def trace_whole(module: nn.Module, ids: Ids) -> ModelProto:
    """The graph of `module` with its weights, folded as the exporter likes; for this one module."""
    return _optimized(_trace(module, ids))


def _trace(module: nn.Module, ids: Ids) -> ONNXProgram:
    import torch
    from torch.export import Dim

    with warnings.catch_warnings():
        # torch 2.13 copies its own tree specifications while it exports, and warns of the class that it does that with.
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec", category=FutureWarning)
        program = torch.onnx.export(
            module,
            (torch.from_numpy(ids),),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[LOGITS],
            dynamic_shapes=({0: Dim("batch", min=1), 1: Dim("length", min=1)},),
            optimize=False,
            verbose=False,
        )
    assert program is not None  # noqa: S101 - None comes of dynamo=False alone
    return program


def _optimized(program: ONNXProgram) -> ModelProto:
    """Without inferred shapes, which quantization trips over, and without notes on the exporting machine."""
    program.optimize()
    model = program.model_proto
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del graph.value_info[:]
    model.ir_version = IR_VERSION
    return model
