"""Small networks with plausible random weights."""

from __future__ import annotations

import numpy as np

from autoglm_compression.models.chain import Array, Chain, Convolution, Dense


def small_cnn(width: int) -> Chain:
    """Three convolutions over 8 x 8 images in ten classes."""
    convolutions = (
        Convolution("conv1", 1, width),
        Convolution("conv2", width, 2 * width, pool=2),
        Convolution("conv3", 2 * width, 2 * width, pool=2),
    )
    return Chain((1, 8, 8), (*convolutions, Dense("head", 8 * width, 10)))


def tensors_of(chain: Chain, seed: int = 0) -> dict[str, Array]:
    """Weights that keep the size of the activations; biases of either sign."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, shape in chain.shapes.items():
        deviation = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        tensors[name] = (generator.normal(size=shape) * deviation).astype(np.float32)
    return tensors
