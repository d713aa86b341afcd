"""Rules that change the learning rate and the batch while training goes on. No torch.

After every window of steps, by what was measured in it:

| reason | when | what |
|---|---|---|
| `noise-above-batch` | the noise scale is above twice the rows of a step | twice the batches per step |
| `noise-below-batch` | the noise scale is below half of them | half the batches per step |
| `follows-batch` | with either | the learning rate, in proportion for sgd, else to the root (Malladi et al. 2022) |
| `step-too-long` | the curvature along the step is above 2 | half the learning rate |
| `curvature-grew` | the trace is above 4 times the round's first one | half the learning rate |

A curvature rule goes before a noise rule, and one window changes one thing (with what follows it). Everything starts
afresh in the next round, as a site keeps nothing.
"""

from __future__ import annotations

from autoglm_workloads.text.training.adaptive.decisions import MOST, Decision

WINDOW = 10
"""Steps after which the rules are asked."""
NOISE_MARGIN = 2.0
LONGEST_STEP = 2.0
TRACE_GROWTH = 4.0
MOST_GROWTH = 8
"""A step has at most this many times the configured batches."""
FEWEST_STEPS = 10
"""An epoch keeps at least so many steps."""
LOWEST_RATE = 2.0**-6
"""Of the scheduled learning rate."""


REASONS = ("noise-above-batch", "noise-below-batch", "follows-batch", "step-too-long", "curvature-grew")


class Controller:
    """Batches per step (`accumulation`), a factor of the scheduled rate (`rate_factor`), and what changed them."""

    def __init__(self, *, batch_size: int, accumulation: int, epoch_rows: int, optimizer: str) -> None:
        self.accumulation = accumulation
        self.rate_factor = 1.0
        self.decisions: list[Decision] = []
        self._batch_size = batch_size
        room = epoch_rows // (FEWEST_STEPS * batch_size)
        self._most = max(accumulation, min(MOST_GROWTH * accumulation, room))
        self._follow = 1.0 if optimizer == "sgd" else 0.5
        self._first_trace: float | None = None

    def after_window(self, step: int, *, noise: float | None, along: float | None, trace: float | None) -> None:
        """Apply the rules at `step`; a figure that was not measured is None. `noise` is in rows."""
        if along is not None and along > LONGEST_STEP:
            self._lower_rate(step, "step-too-long", along)
        elif trace is not None and self._trace_grew(trace):
            self._lower_rate(step, "curvature-grew", trace)
        elif noise is not None:
            self._fit_batch(step, noise)

    def _trace_grew(self, trace: float) -> bool:
        if self._first_trace is None and trace > 0:
            self._first_trace = trace
        return self._first_trace is not None and trace > TRACE_GROWTH * self._first_trace

    def _lower_rate(self, step: int, reason: str, statistic: float) -> None:
        self._set_rate(step, max(self.rate_factor / 2.0, LOWEST_RATE), reason, statistic)

    def _fit_batch(self, step: int, noise: float) -> None:
        rows = self.accumulation * self._batch_size
        if noise > NOISE_MARGIN * rows and 2 * self.accumulation <= self._most:
            self._set_batch(step, 2 * self.accumulation, "noise-above-batch", noise)
        elif noise < rows / NOISE_MARGIN and self.accumulation > 1:
            self._set_batch(step, self.accumulation // 2, "noise-below-batch", noise)

    def _set_batch(self, step: int, accumulation: int, reason: str, statistic: float) -> None:
        before, self.accumulation = self.accumulation, accumulation
        size = self._batch_size
        self._record(Decision(step, "batch", before * size, accumulation * size, reason, statistic))
        factor = float((accumulation / before) ** self._follow)
        self._set_rate(step, self.rate_factor * factor, "follows-batch", statistic)

    def _set_rate(self, step: int, factor: float, reason: str, statistic: float) -> None:
        before, self.rate_factor = self.rate_factor, factor
        if factor != before:
            self._record(Decision(step, "learning-rate", before, factor, reason, statistic))

    def _record(self, decision: Decision) -> None:
        if len(self.decisions) < MOST:
            self.decisions.append(decision)
