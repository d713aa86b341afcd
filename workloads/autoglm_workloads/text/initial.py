"""Weights before the first round. No torch until it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from autoglm_core.workload import Vector
from autoglm_workloads.seeding import HEAD_DEVIATION, generator
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.layout import trained_tensors
from autoglm_workloads.text.methods import Start, TrainedTensor
from autoglm_workloads.text.tuning_options import Method

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel

JITTER = 1e-6
"""Deviation of what is added to every weight, as a share of the tensor's root mean square."""


def initial(
    model: ShelvedModel, method: Method, heads: Mapping[str, HeadSpec], *, study_seed: bytes, seed: bytes
) -> Vector:
    """Pretrained values where they are trained; what is new starts so that the model is nearly as it was.

    Every weight has a jitter drawn from `seed`, far below what a step changes: no two TUNEs broadcast the same bits, so
    the difference of their sums never tells what a site added to both.
    """
    from autoglm_workloads.text.network import build

    network = build(model, method, heads, study_seed=study_seed, dropout=0.0)
    tensors = network.layout.split(network.vector())
    for tensor in trained_tensors(model.description, method, heads):
        name = tensor.spec.name
        stream = generator(seed, f"initial/{name}")
        value = _start(tensor, tensors[name], network.word_vectors, stream)
        size = float(np.sqrt(np.mean(np.square(value, dtype=np.float64)))) or 1.0
        jitter = stream.standard_normal(value.shape, dtype=np.float32) * np.float32(JITTER * size)
        tensors[name] = (value + jitter).astype(np.float32)
    return network.layout.join(tensors)


def _start(tensor: TrainedTensor, built: Vector, vectors: Callable[[], Vector], stream: np.random.Generator) -> Vector:
    shape = tensor.spec.shape
    match tensor.start:
        case Start.BUILT:
            return built
        case Start.ZEROS:
            return np.zeros(shape, np.float32)
        case Start.ONES:
            return np.ones(shape, np.float32)
        case Start.NORMAL:
            return stream.standard_normal(shape, dtype=np.float32) * np.float32(HEAD_DEVIATION)
        case Start.UNIFORM:
            bound = shape[-1] ** -0.5
            return stream.uniform(-bound, bound, shape).astype(np.float32)
        case Start.TOKENS:
            table = vectors()
            return table[stream.integers(len(table), size=shape[0])]
