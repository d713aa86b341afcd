"""The exported graph against the framework that trained it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Array, Chain, Tensors
from autoglm_compression.models.forward import forward
from autoglm_compression.models.session import Inputs, open_session, run_batches
from autoglm_core.errors import AutoglmError, Kind

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

TOLERANCE = 1e-3
"""Of the largest logit, or absolute where that is below 1."""


LARGEST = float(np.finfo(np.float32).max)
"""Stands for a difference that is no number."""


class NumericsMismatch(AutoglmError):
    """An exported graph does not compute what the trained network computes."""

    code = "numerics-mismatch"
    kind = Kind.INTERNAL

    def __init__(self, *, max_abs: float, allowed: float) -> None:
        super().__init__(
            f"the exported model is off by {max_abs:.3g} where {allowed:.3g} is allowed: report this configuration",
            max_abs=max_abs,
            allowed=allowed,
        )


def check_numerics(model: bytes, inputs: Inputs, expected: Array) -> float:
    """Largest absolute difference of a float model's logits on `inputs` `(rows, ...)` from `expected`.

    `expected`: `(rows, ..., classes)`, the trained network's logits on the same rows.

    Raises:
        NumericsMismatch: it is more than 1e-3, or 1e-3 of the largest logit where that is above 1; or another shape.
    """
    received = model_logits(open_session(model), inputs)
    difference = float("inf") if received.shape != expected.shape else _largest(expected - received)
    allowed = TOLERANCE * max(1.0, _largest(expected))
    if not difference <= allowed:
        raise NumericsMismatch(max_abs=difference if np.isfinite(difference) else LARGEST, allowed=allowed)
    return difference


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


def model_logits(session: InferenceSession, inputs: Inputs, *, batch: int = 256) -> Array:
    """Logits `(rows, ..., classes)` of an ONNX model on `inputs` `(rows, ...)`."""
    return np.concatenate([outputs[0] for outputs in run_batches(session, inputs, batch=batch)])


def torch_logits(chain: Chain, tensors: Tensors, inputs: NDArray[np.float32], *, batch: int = 256) -> Array:
    """Logits `(rows, classes)` of the chain in torch on `inputs` `(rows, *input_shape)`."""
    import torch

    with torch.inference_mode():
        weights = {name: torch.from_numpy(np.array(array, order="C")) for name, array in tensors.items()}
        starts = range(0, max(len(inputs), 1), batch)
        parts = [forward(chain, weights, torch.from_numpy(inputs[start : start + batch])).numpy() for start in starts]
    return np.concatenate(parts)
