"""What the limits of a study's budget still leave room for, in rounds of TUNE.

Estimated from what its trials took so far: a round as half of the TUNEs took or more, and besides, for each TUNE that
is to end, what its variants took after it. A TUNE goes on only where there is room for the whole of it: the limit is
the user's, not ours to overrun, and what does not end is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf
from statistics import median

from autoglm_coordinator.trials.spent import Cost, stages_run
from autoglm_coordinator.trials.standings import tune_groups
from autoglm_core.budget import Budget
from autoglm_core.study import REDUCTION
from autoglm_core.trial import StageName, Trial

AFTER = (StageName.COMPRESS, StageName.EVALUATE)


@dataclass(frozen=True)
class Room:
    """`rounds`: that a TUNE can still have.

    `limit`: `wall`, `bytes` or `energy`, which leaves the fewest; `left`: its share.
    """

    rounds: float = inf
    limit: str = ""
    left: float = 1.0

    def limit_of(self, rungs: Sequence[int]) -> str:
        """The limit, where so little is left that what was begun is to be ended; nothing where a TUNE may begin.

        The last third is kept for that where TUNEs pause at `rungs`, as a rung holds three times as many as the next.
        """
        kept = 1 / REDUCTION if len(rungs) > 1 else 0.0
        return self.limit if self.left < kept or self.rounds < rungs[-1] else ""


def room_left(budget: Budget, spent: Cost, trials: Sequence[Trial]) -> Room:
    """The tightest of the budget's limits after `spent`."""
    tunes = [stage for stage in stages_run(trials) if stage.name is StageName.TUNE and stage.rounds]
    after = [fsum(stage.seconds for stage in stages_run(group) if stage.name in AFTER) for group in tune_groups(trials)]
    rooms = []
    if budget.wall is not None:
        usual = _usual([seconds for seconds in after if seconds])
        each = _usual([tune.seconds / tune.rounds for tune in tunes])
        rooms.append(_room("wall", budget.wall.total_seconds(), spent.seconds, each=each, after=usual))
    if budget.bytes is not None:
        each = _usual([tune.bytes / tune.rounds for tune in tunes])
        # No stage but TUNE says what it moved: the others share what is left of the whole.
        others = max(0, spent.bytes - sum(tune.bytes for tune in tunes)) / max(1, len(tunes))
        rooms.append(_room("bytes", budget.bytes, spent.bytes, each=each, after=others))
    if budget.energy is not None:
        each = _usual([tune.cost.joules / tune.rounds for tune in tunes])
        rooms.append(_room("energy", budget.energy, spent.joules, each=each, after=0.0))  # of training alone
    return min(rooms, key=lambda room: room.rounds, default=Room())


def _usual(figures: Sequence[float]) -> float:
    return median(figures) if figures else 0.0


def _room(limit: str, whole: float, spent: float, *, each: float, after: float) -> Room:
    left = whole - spent - after
    rounds = (left / each if each > 0 else inf) if left > 0 else -inf
    return Room(rounds, limit, left=1 - spent / whole)
