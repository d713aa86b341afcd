"""What a study spent, and whether what is left to gain is worth its cost; `room` knows what its limits leave.

Pure functions of what the store holds, so that a study which is taken up again ends where it would have ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_coordinator.trials.standings import tune_groups
from autoglm_core.trial import StageName, StageRecord, Trial

if TYPE_CHECKING:
    from autoglm_coordinator.sampler.api import Outlook
    from autoglm_core.study import Budget

PROPOSALS = 2
"""So many in a row must promise too little: one may be the sampler's bad luck."""
HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """Wall `seconds`, `bytes` that all sites sent and received, and `joules` that they spent on training."""

    seconds: float
    bytes: int
    joules: float = 0.0


def tune_costs(trials: Sequence[Trial]) -> list[Cost]:
    """What each TUNE of a study's final trials took with all its variants; those that lay in the store are left out."""
    groups = tune_groups(trial for trial in trials if trial.state.final)
    return [cost for group in groups if (cost := _group_cost(group)) is not None]


def stages_run(trials: Sequence[Trial]) -> list[StageRecord]:
    """What was run for these trials; a stage that they share counts once."""
    stages = {(stage.name, stage.key): stage for trial in trials for stage in trial.stages if not stage.cached}
    return list(stages.values())


def _group_cost(group: Sequence[Trial]) -> Cost | None:
    stages = stages_run(group)
    tunes = [stage for stage in stages if stage.name is StageName.TUNE]
    if not tunes:
        return None
    return Cost(
        math.fsum(stage.seconds for stage in stages),
        sum(tune.bytes for tune in tunes),
        math.fsum(tune.cost.joules for tune in tunes),
    )


def too_little_to_gain(budget: Budget, outlooks: Sequence[Outlook | None]) -> bool:
    """Whether the last proposals all promised less than the budget asks for; None is one that said nothing."""
    last = outlooks[-PROPOSALS:]
    return budget.gain is not None and len(last) == PROPOSALS and all(_too_little(budget.gain, entry) for entry in last)


def _too_little(least: float, outlook: Outlook | None) -> bool:
    """Never where nobody knows what the next one costs."""
    if outlook is None or not outlook.seconds:
        return False
    return 100 * outlook.gain * HOUR / outlook.seconds < least
