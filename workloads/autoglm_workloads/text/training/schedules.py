"""How the learning rate rises and falls over a whole TUNE.

Time is a share of the TUNE, from 0 to 1, counted in rows: a site knows its own rows per round and the number of rounds,
so each site follows the same curve whatever its size, and a batch that grows on the way does not stretch it. A step
stands at its own middle, so neither the first nor the last step has a learning rate of 0.
"""

from __future__ import annotations

from math import cos, pi

STEP_FALLS = (0.5, 0.75)
"""Shares of the TUNE at which `step` divides the learning rate by ten (He et al. 2016)."""
STEP_FACTOR = 0.1
PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 10
"""Steps without a smoothed loss that is 1 % lower before `plateau` halves the learning rate."""
PLATEAU_GAIN = 0.01


def rate_factor(schedule: str, *, warmup: float, progress: float) -> float:
    """Factor of the learning rate at `progress`; above 0 before the end.

    `warmup`: share of the TUNE in which the factor rises in a line from 0 to 1. `plateau` is constant here.
    """
    progress = min(progress, 1.0)
    if progress < warmup:
        return progress / warmup
    left = (1.0 - progress) / (1.0 - warmup)
    if schedule == "linear":
        return left
    if schedule == "cosine":
        return (1.0 + cos(pi * (1.0 - left))) / 2.0
    if schedule == "step":
        return STEP_FACTOR ** sum(progress >= fall for fall in STEP_FALLS)
    return 1.0


class Plateau:
    """Halves `factor` when the smoothed loss stops falling. It knows one round: a site keeps nothing between two."""

    def __init__(self) -> None:
        self.factor = 1.0
        self._best = float("inf")
        self._waited = 0

    def observe(self, smoothed: float) -> None:
        """Take the smoothed loss of a step."""
        if smoothed < self._best * (1.0 - PLATEAU_GAIN):
            self._best, self._waited = smoothed, 0
            return
        self._waited += 1
        if self._waited >= PLATEAU_PATIENCE:
            self.factor *= PLATEAU_FACTOR
            self._waited = 0
