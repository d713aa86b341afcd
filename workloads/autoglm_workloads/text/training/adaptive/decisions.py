"""What the controller decided, and why."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 256
"""Decisions that a round keeps."""


@dataclass(frozen=True)
class Decision:
    """At `step` of the round, from 1, `what` went from `before` to `after`, because of `statistic`."""

    step: int
    what: str
    """`learning-rate` (a factor of what the schedule says) or `batch` (rows of a step)."""
    before: float
    after: float
    reason: str
    """A code of `controller.REASONS`."""
    statistic: float
    """The figure that the rule looked at: a noise scale in rows, or a curvature times the step."""
