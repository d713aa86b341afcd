"""Generators from 32-byte seeds, one independent stream per purpose."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from autoglm_compression.models.chain import Chain, Dense
from autoglm_core.workload import ParameterLayout, Vector


def generator(seed: bytes, purpose: str) -> np.random.Generator:
    """A counter-based generator whose stream depends on `seed` and `purpose` alone."""
    key = sha256(b"autoglm/v1/generator/" + purpose.encode() + b"/" + seed).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def initial_parameters(chain: Chain, layout: ParameterLayout, seed: bytes) -> Vector:
    """Normal weights of variance 2/fan-in before a ReLU (He et al. 2015) and 1/fan-in in the head; zero biases."""
    stream = generator(seed, "initial")
    tensors: dict[str, Vector] = {}
    for layer, name in zip((layer for layer in chain.layers for _ in range(2)), chain.shapes, strict=True):
        shape = chain.shapes[name]
        if len(shape) == 1:
            tensors[name] = np.zeros(shape, np.float32)
            continue
        fan_in = int(np.prod(shape[1:]))
        gain = 1.0 if isinstance(layer, Dense) and layer is chain.head else 2.0
        tensors[name] = (stream.standard_normal(shape) * np.sqrt(gain / fan_in)).astype(np.float32)
    return layout.join(tensors)
