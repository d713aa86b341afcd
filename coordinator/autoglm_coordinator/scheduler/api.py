"""The scheduler decides budget: which TUNE goes on to its next rung, and which is stopped for good. Rungs are rounds.

A TUNE's weights are committed after every round, so a TUNE can pause at a rung at no cost. What the scheduler sees are
the standings of all TUNEs of a study; what it answers holds for these standings alone, and it is asked again after each
rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Protocol

from autoglm_core.measurement import Measurement

Figures = Mapping[str, float]
"""By metric."""


class Stand(StrEnum):
    """What is known of a TUNE's way to its last rung."""

    PAUSED = "paused"
    """At a rung, or before its first round: it goes on when the scheduler says so."""
    RUNNING = "running"
    """Its rounds behind the last rung are under way. It may never return."""
    FINISHED = "finished"
    """Tuned to the end, and its variants are evaluated."""
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Standing:
    """One TUNE as it stands.

    `tune`: the TUNE key. `number`: of its first trial; TUNEs began in this order. `rungs`: the cohort's metrics of the
    model, by rounds behind it. `costs`: by device class that accepts one of its variants, the best figure of each
    cost metric over these variants, by the objective's direction; a cost that is not known is left out. `points`: by
    device class, the objectives' figures of each variant that was evaluated and accepted.
    """

    tune: str
    number: int
    stand: Stand
    rungs: Mapping[int, Mapping[str, Measurement]] = field(default_factory=dict)
    costs: Mapping[str, Figures] = field(default_factory=dict)
    points: Mapping[str, Sequence[Figures]] = field(default_factory=dict)

    @property
    def rung(self) -> int:
        """Rounds behind its last rung; 0 before the first."""
        return max(self.rungs, default=0)


@dataclass(frozen=True)
class Stop:
    """`chance`: that the TUNE would have become non-dominated, as far as the rule can tell."""

    tune: str
    chance: float


@dataclass(frozen=True)
class Decision:
    """`stops`: given up for good. `next`: the TUNE that goes on to its next rung, None where none should."""

    stops: tuple[Stop, ...]
    next: str | None


class Scheduler(Protocol):
    """Pure: the same standings give the same decision, in whatever order they are given."""

    def decide(self, standings: Sequence[Standing], *, closing: bool = False, rounds_left: float = inf) -> Decision:
        """What becomes of a study's TUNEs now.

        `closing`: no further TUNE will be proposed, so that what is paused is taken to its end, the most promising
        first. `rounds_left`: rounds that the rest of the study has time for; a TUNE that cannot end within them does
        not go on.
        """
        ...
