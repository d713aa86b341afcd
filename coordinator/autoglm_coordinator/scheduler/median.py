"""The median rule with a margin, among TUNEs that could dominate.

A TUNE stops at a rung when all of this holds:

1. at least `minimum` (4) *rivals* have a value at that same rung; with one objective every other TUNE is a rival, with
   more only one that costs no more in any figure that PROBE knows;
2. its value is worse than the median of the rivals by more than `margin` (2) standard errors of the difference, where
   the standard error of the median of k values is taken as 1.2533 of that of their mean (the normal limit), and every
   value brings its own sampling error.

TUNEs that were themselves stopped at the rung count, else the median would rise by survival alone. Compare Golovin et
al. 2017 (Vizier's median stopping); successive halving was rejected here because it has to wait for a full bracket and
stops a fixed share, however small the differences.

What the rule does not promise. It looks at one rung at a time: a TUNE that learns slowly and would have overtaken is
lost. The margin covers the sampling error of the validation rows, not the spread over initial weights. In a study with
several objectives it never stops a TUNE whose costs it does not know, nor one that is cheaper than most: a small model
may be on the front although its accuracy is the lowest of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from autoglm_coordinator.scheduler.api import Decision, RungValue, Scheduler
from autoglm_core.measurement import Measurement
from autoglm_core.objective import Direction, Objective

if TYPE_CHECKING:
    from autoglm_core.study import Study

MEDIAN_INEFFICIENCY = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, for normal values."""


@dataclass(frozen=True)
class MedianRule:
    """See the module.

    `objective`: the primary one, a metric of `validation`; `single`: the study has no other objective.
    """

    objective: Objective
    single: bool
    minimum: int = 4
    margin: float = 2.0

    def decide(self, current: RungValue, others: Sequence[RungValue]) -> Decision:
        """See `Scheduler.decide`."""
        own = current.validation.get(self.objective.metric)
        rivals = [other.validation[self.objective.metric] for other in self._rivals(current, others)]
        if own is None or len(rivals) < self.minimum:
            return Decision.CONTINUE
        middle = median(rival.mean for rival in rivals)
        sign = 1.0 if self.objective.direction is Direction.MAXIMIZE else -1.0
        behind = sign * (middle - own.mean)
        return Decision.STOP if behind > self.margin * _standard_error(own, rivals) else Decision.CONTINUE

    def _rivals(self, current: RungValue, others: Sequence[RungValue]) -> list[RungValue]:
        at_rung = {other.tune: other for other in others if other.round == current.round and other.tune != current.tune}
        return [other for other in at_rung.values() if self._is_rival(other, current)]

    def _is_rival(self, other: RungValue, current: RungValue) -> bool:
        if self.objective.metric not in other.validation:
            return False
        if self.single:
            return True
        known = bool(current.costs) and current.costs.keys() == other.costs.keys()
        return known and all(other.costs[name] <= cost for name, cost in current.costs.items())


def _standard_error(own: Measurement, rivals: Sequence[Measurement]) -> float:
    # One set of validation rows judges all TUNEs, so their errors are correlated; taking them as independent widens
    # the margin.
    of_mean = math.sqrt(fmean(rival.standard_error**2 for rival in rivals) / len(rivals))
    return math.hypot(own.standard_error, MEDIAN_INEFFICIENCY * of_mean)


@dataclass(frozen=True)
class NeverStop:
    """For studies whose objectives the validation rounds cannot see."""

    def decide(self, current: RungValue, others: Sequence[RungValue]) -> Decision:
        """Always goes on."""
        return Decision.CONTINUE


def load_scheduler(study: Study, metrics: Sequence[str]) -> Scheduler:
    """The median rule on the study's first objective among `metrics` (what the workload's `score` yields).

    A weighted sum is no exception: its parts decide together, so it is treated as several objectives.
    """
    objectives = study.objectives
    for objective in objectives:
        if objective.metric in metrics:
            return MedianRule(objective=objective, single=len(objectives) == 1)
    return NeverStop()
