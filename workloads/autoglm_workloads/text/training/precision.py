"""Number formats of the forward pass: what a device has, and what it takes to train in them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

from autoglm_workloads.errors import UnsupportedPrecision

if TYPE_CHECKING:
    from torch import Tensor

FIRST_SCALE = 2.0**12
"""Of float16 losses. Torch's own 65536 costs a round of few steps its first ones."""
TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision:
    """Autocast for one training, and the scaling of the loss that float16's small exponent needs.

    Raises:
        UnsupportedPrecision: the device does not have the format, or cannot train in it.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name == "float16" and device.type != "cuda":
            raise UnsupportedPrecision(precision=name, device=device.type)
        if name == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise UnsupportedPrecision(precision=name, device=device.type)
        self._type = TYPES.get(name)
        self._device = device.type
        self.scaler = torch.amp.GradScaler(device.type, init_scale=FIRST_SCALE) if name == "float16" else None

    def autocast(self) -> AbstractContextManager[None]:
        """Around a forward pass."""
        if self._type is None:
            return nullcontext()
        context: AbstractContextManager[None] = torch.autocast(self._device, dtype=self._type)
        return context

    @property
    def scale(self) -> float:
        """What gradients are multiplied with until `unscale`."""
        return float(self.scaler.get_scale()) if self.scaler else 1.0

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of `loss`, scaled where the format needs it."""
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Before the gradients are looked at."""
        if self.scaler:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """A step, left out where a scaled gradient overflowed."""
        if self.scaler:
            self.scaler.step(optimizer)
            self.scaler.update()
        else:
            optimizer.step()
