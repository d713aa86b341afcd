"""Weights of classes from how often the cohort has them. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def class_weights(counts: NDArray[np.float64], mode: str) -> NDArray[np.float32] | None:
    """Weights `(classes,)` from the `counts` `(classes,)` of the whole cohort; None where every class weighs 1.

    `balanced`: by inverse frequency, such that the weights' mean over the cohort's units is 1 and every class that
    somebody has weighs the same in the sum. A class that nobody has weighs 1: its weight matters to label smoothing
    alone, and one of 0 would teach the model nothing about it that the data does not.
    """
    if mode == "none":
        return None
    present = counts > 0
    if not present.any():
        return np.ones(counts.size, np.float32)
    weights = np.ones(counts.size)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights.astype(np.float32)
