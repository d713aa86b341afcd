"""Measuring and steering of one training: what the loop calls where `controller` or `curvature` is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from autoglm_workloads.seeding import generator
from autoglm_workloads.text.training.adaptive.controller import WINDOW, Controller
from autoglm_workloads.text.training.adaptive.curvature import along, trace
from autoglm_workloads.text.training.adaptive.noise import NoiseMeter

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_workloads.text.training.adaptive.tally import Tally
    from autoglm_workloads.text.training.options import TextOptions


class Adaptation:
    """A noise meter over all steps, a curvature after each window, and the controller's rules if it is on."""

    def __init__(
        self, options: TextOptions, tensors: Sequence[Tensor], *, epoch_rows: int, seed: bytes, tally: Tally
    ) -> None:
        self._options = options
        self._tensors = tensors
        self._tally = tally
        self._meter = NoiseMeter(tensors)
        self._seed = int(generator(seed, "curvature").integers(2**62))
        self._before: list[Tensor] = []
        self.controller = Controller(
            batch_size=options.batch_size,
            accumulation=options.accumulation,
            epoch_rows=epoch_rows,
            optimizer=options.optimizer,
        )

    def take_gradient(self, rows: int, *, scale: float) -> None:
        """The gradient of a batch of `rows` rows, times `scale`, was added to those of the step."""
        self._meter.take(rows, scale=scale)

    def before_change(self, step: int) -> None:
        """The optimizer is about to make `step`, counted from 1."""
        if self._options.curvature == "differences" and step % WINDOW == 0:
            self._before = [tensor.detach().clone() for tensor in self._tensors]

    def after_change(self, step: int, loss: Callable[[], Tensor]) -> None:
        """The optimizer made `step`; `loss()` is that of its first batch, differentiable, with dropout drawn anew."""
        self._meter.start_step()
        if step % WINDOW:
            return
        noise = self._close_noise()
        kind = self._options.curvature
        length = along(self._repeatable(loss, step), self._tensors, self._before) if kind == "differences" else None
        total = trace(self._repeatable(loss, step), self._tensors, self._draws(step)) if kind == "hutchinson" else None
        for figure in (length, total):
            if figure is not None:
                self._tally.add_curvature(figure)
        if self._options.controller == "noise-scale":
            self.controller.after_window(step, noise=noise, along=length, trace=total)

    def _close_noise(self) -> float | None:
        measured = self._meter.close_window()
        if measured is None:
            return None
        self._tally.add_window(*measured)
        return self._meter.scale

    def _repeatable(self, loss: Callable[[], Tensor], step: int) -> Callable[[], Tensor]:
        """`loss` with the same dropout each time, and the generators of the training as they were."""
        device = self._tensors[0].device

        def repeated() -> Tensor:
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(self._seed + step)
                return loss()

        return repeated

    def _draws(self, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed + step)
