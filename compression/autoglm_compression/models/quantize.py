"""The arithmetic of int8: weights per output channel and symmetric, activations per tensor, unsigned and asymmetric.

Weights use 7 of the 8 bits. x86 processors without VNNI add pairs of u8 x s8 products in 16 bits and saturate with
full-range weights; a variant that is accurate on one device class and wrong on another is worse than the half bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Array

WEIGHT_LIMIT = 64
UNPACKED_LIMIT = 127
"""For weights that are unpacked to float before anything is computed with them."""
ACTIVATION_LEVELS = 255


@dataclass(frozen=True)
class QuantizedWeight:
    """`values` int8, `scales` float32 `(outputs,)`: weight = values * scales along axis 0."""

    values: NDArray[np.int8]
    scales: Array


@dataclass(frozen=True)
class ActivationRange:
    """Smallest and largest value that the int8 form of a tensor must hold; always includes 0."""

    low: float
    high: float

    @property
    def scale(self) -> np.float32:
        """Width of one of the 255 steps."""
        return np.float32(max(self.high - self.low, 1e-12) / ACTIVATION_LEVELS)

    @property
    def zero_point(self) -> np.uint8:
        """The step that stands for 0.0."""
        return np.uint8(np.clip(round(-self.low / float(self.scale)), 0, ACTIVATION_LEVELS))


def quantize_weight(weight: Array, *, limit: int = WEIGHT_LIMIT) -> QuantizedWeight:
    """Quantize `weight` `(outputs, ...)` per output channel to -limit..limit; an all-zero channel keeps scale 1e-12."""
    largest = np.abs(weight).reshape(weight.shape[0], -1).max(axis=1)
    scales = np.maximum(largest / limit, 1e-12).astype(np.float32)
    shaped = scales.reshape(-1, *([1] * (weight.ndim - 1)))
    return QuantizedWeight(np.rint(weight / shaped).astype(np.int8), scales)


def quantize_bias(bias: Array, scales: Array) -> NDArray[np.int32]:
    """Bias `(outputs,)` in units of `scales` `(outputs,)` = activation scale x weight scale."""
    limit = 2.0**30
    return np.clip(np.rint(bias.astype(np.float64) / scales), -limit, limit).astype(np.int32)
