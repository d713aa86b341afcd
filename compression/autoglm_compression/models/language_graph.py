"""A language model as an ONNX graph: token numbers in, logits out.

The graph has one input `input` int64 `(batch, length)` and one output `logits` float32, both with a free batch and a
free length, so that one file serves every length up to the model's. It comes from torch's exporter (tracing.py): the
attention of each family would otherwise have to be written again by hand, as graph.py does for chains. Every graph is
compared with torch before it is handed out.

A decoder's graph keeps no key-value cache: whoever generates with it runs the whole prefix again for each token. That
costs time and no accuracy; a graph with a cache would have two outputs per layer and a form of its own per family.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.bare_graph import BareGraph, Weights
from autoglm_compression.models.numerics import check_numerics
from autoglm_compression.models.tracing import Ids, trace_bare, trace_whole
from autoglm_core.errors import AutoglmError, Kind

if TYPE_CHECKING:
    from torch import nn

LARGEST_BYTES = 2**31 - 2**26
"""Of a model's float32 weights: a protobuf message ends at 2^31, and the graph and a frame's other blobs want room."""
KEPT = 8
"""Bare graphs that a process keeps, tens to hundreds of kB each."""

_bare_graphs: OrderedDict[tuple[str, str], BareGraph | None] = OrderedDict()
"""By key and form of the weights; None for modules that have none."""


class ModelTooLarge(AutoglmError):
    """A model has more weights than one ONNX file holds."""

    code = "model-too-large"
    kind = Kind.EXHAUSTED

    def __init__(self, *, size: int, limit: int) -> None:
        super().__init__(
            f"the model's weights take {size / 1e9:.2f} GB as float32, and one ONNX file holds {limit / 1e9:.2f} GB "
            "(tensors in files beside it are refused): choose a smaller model",
            size=size,
            limit=limit,
        )


@dataclass(frozen=True)
class LanguageGraph:
    """`model`: the ONNX file. `max_abs_difference`: of its logits from torch's on a synthetic batch."""

    model: bytes
    max_abs_difference: float


def export_language(
    module: nn.Module, *, length: int, vocabulary: int, pad: int = 0, key: str | None = None
) -> LanguageGraph:
    """The float32 graph of `module`, which maps ids int64 `(batch, length)` to logits of any rank.

    Args:
        module: in float32 on the CPU.
        length: tokens of the longest input that it is checked with; at least 2.
        vocabulary: ids are below it.
        pad: id of the padding, which the check has some of.
        key: says which modules compute the same but for their weights; the second one of a key is not traced again.

    Raises:
        ModelTooLarge: its weights do not fit in one file.
        NumericsMismatch: the graph computes something else than the module.
    """
    _check_size(module)
    with _evaluating(module):
        weights = Weights.of(module)
        ids = synthetic_ids(length, vocabulary, pad=pad)
        bare = _bare(module, ids[:2], weights, key)
        proto = bare.fill(weights) if bare is not None else trace_whole(module, ids[:2])
        model = bytes(proto.SerializeToString(deterministic=True))
        return LanguageGraph(model, _difference(module, model, ids))


def synthetic_ids(length: int, vocabulary: int, *, pad: int, rows: int = 4) -> Ids:
    """Ids `(rows, length)`, the same on every call; every second row ends in padding."""
    ids = np.random.default_rng(length).integers(0, vocabulary, size=(rows, length), dtype=np.int64)
    ids[1::2, length - length // 4 :] = pad
    return ids


def _check_size(module: nn.Module) -> None:
    # Tied ones twice: a table that is the language head, too, is stored as table and as matrix.
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]
    size = sum(tensor.numel() * tensor.element_size() for _, tensor in tensors)
    if size > LARGEST_BYTES:
        raise ModelTooLarge(size=size, limit=LARGEST_BYTES)


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Without dropout inside the block."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _bare(module: nn.Module, ids: Ids, weights: Weights, key: str | None) -> BareGraph | None:
    """The bare graph of the module; what was found out for a key is kept."""
    if key is None:
        return trace_bare(module, ids, weights)
    place = (key, weights.form)
    if place not in _bare_graphs:
        _bare_graphs[place] = trace_bare(module, ids, weights)
        while len(_bare_graphs) > KEPT:
            _bare_graphs.popitem(last=False)
    return _bare_graphs[place]


def _difference(module: nn.Module, model: bytes, ids: Ids) -> float:
    """The larger one of a full batch and of a single shorter row."""
    import torch

    worst = 0.0
    for batch in (ids, np.ascontiguousarray(ids[:1, : -(-ids.shape[1] // 2)])):
        with torch.inference_mode():
            expected = module(torch.from_numpy(batch)).numpy()
        worst = max(worst, check_numerics(model, batch, expected))
    return worst
