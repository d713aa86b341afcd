"""When local training is given up: nothing good comes of it, and the trial's time is better spent elsewhere."""

from __future__ import annotations

from math import isfinite

from autoglm_workloads.errors import DivergedTraining

SMOOTHING = 0.8
"""Of the moving mean of step losses."""
GROWTH = 10.0
FLOOR = 20.0
"""Nats per row or token: no softmax over less than 480 million classes starts this badly."""
PATIENCE = 3
"""Steps that the smoothed loss must stay above the limit: one bad batch is no divergence."""


class DivergenceWatch:
    """Follows the loss of one round.

    It gives up at once when a loss or gradient is not finite, and when the smoothed loss stays for three steps above
    ten times the loss of the round's first step and above 20 nats.
    """

    def __init__(self) -> None:
        self.smoothed = 0.0
        self._limit = 0.0
        self._seen = 0
        self._above = 0

    def observe(self, loss: float, *, epoch: int) -> None:
        """Take the mean loss of a step in `epoch`, counted from 1.

        Raises:
            DivergedTraining: the loss is not finite, or exploded.
        """
        if not isfinite(loss):
            raise DivergedTraining(epoch=epoch)
        if not self._seen:
            self.smoothed, self._limit = loss, max(GROWTH * loss, FLOOR)
        self._seen += 1
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * loss
        self._above = self._above + 1 if self.smoothed > self._limit else 0
        if self._above >= PATIENCE:
            raise DivergedTraining(epoch=epoch, reason="exploded")
