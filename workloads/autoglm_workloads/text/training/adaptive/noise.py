"""The simple noise scale (McCandlish et al. 2018): how large a batch must be before its gradient is mostly signal.

With g the mean gradient over `rows` rows, E|g|^2 = |G|^2 + S / rows, where G is the true gradient and S the variance of
one row's gradient summed over coordinates. The gradients of a window's batches and their mean give the two unknowns
without bias for fixed weights; the noise scale is S / |G|^2, in rows. Weights do move inside a window, which makes the
mean a little short and the noise scale a little large; the controller's rules leave a factor of two for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

MEMORY = 0.7
"""What of earlier windows counts: one window's |G|^2 is a small difference of two large numbers."""

LARGEST = 1e9
"""Noise scale in rows where no signal shows."""


class NoiseMeter:
    """Takes the gradients of batches, window by window."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors
        self._mean = [torch.zeros_like(tensor) for tensor in tensors]
        self._before: list[Tensor] = []
        self._squares = torch.zeros((), dtype=torch.float64, device=tensors[0].device)
        self._rows = 0
        self._batches = 0
        self._signal = self._noise = 0.0

    def start_step(self) -> None:
        """The gradients were set to zero."""
        self._before = []

    def take(self, rows: int, *, scale: float) -> None:
        """The gradient of a batch of `rows` rows was added to the tensors' gradients, times `scale`."""
        now = [torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for tensor in self._tensors]
        own = torch._foreach_sub(now, self._before) if self._before else [part.clone() for part in now]
        self._before = [part.clone() for part in now]
        if scale != 1.0:
            torch._foreach_mul_(own, 1.0 / scale)
        torch._foreach_add_(self._mean, own)
        self._squares += torch.stack(torch._foreach_norm(own)).double().square().sum()
        self._rows += rows
        self._batches += 1

    def close_window(self) -> tuple[float, float] | None:
        """Estimates of |G|^2 and S of the window; None where it held less than two batches or no finite gradient."""
        count, rows = self._batches, self._rows
        mean = torch.stack(torch._foreach_norm(self._mean)).double().square().sum()
        squares, of_mean = (torch.stack((self._squares, mean)) / max(count, 1)).tolist()
        of_mean /= max(count, 1)
        self._reset()
        if count < 2 or squares != squares or squares == float("inf"):
            return None
        variance = (squares - of_mean) * count / (count - 1)
        signal, noise = of_mean - variance / count, variance * rows / count
        self._signal = MEMORY * self._signal + signal
        self._noise = MEMORY * self._noise + noise
        return signal, noise

    @property
    def scale(self) -> float:
        """The noise scale in rows over the windows so far, at most `LARGEST`."""
        return min(self._noise / self._signal, LARGEST) if self._signal > 0 else LARGEST

    def _reset(self) -> None:
        torch._foreach_zero_(self._mean)
        self._squares.zero_()
        self._rows = self._batches = 0
