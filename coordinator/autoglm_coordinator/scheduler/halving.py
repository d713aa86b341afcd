"""Asynchronous successive halving over several objectives, with stops of a stated risk.

A TUNE goes on from a rung once it is among the best 1/`REDUCTION` of all that have a value there (Li et al. 2020,
arXiv:1810.05934), where best means non-dominated rank and then crowding distance over the validation metrics at the
rung and the costs that PROBE knows (as Schmucker et al. 2021, arXiv:2106.12639, with the crowding distance of Deb et
al. 2002 in place of an epsilon-net). Higher rungs come first. Nobody waits for a full bracket: where nothing deserves
to go on, a new TUNE begins, and a TUNE whose rounds never return holds up itself alone.

What is not among the best stays paused, at no cost, for its rung may fill with worse ones. It is stopped for good only
where the chance that it becomes non-dominated is below `RISK` (see `chance`), and where the study is closing, all that
is paused goes on, the most promising first, until each is finished or hopeless or the time is up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from autoglm_coordinator.scheduler.api import Decision, Stand, Standing, Stop
from autoglm_coordinator.scheduler.chance import Chances, value_at
from autoglm_coordinator.scheduler.ranking import best_first
from autoglm_core.objective import Objective
from autoglm_core.study import REDUCTION, Study

RISK = 0.05


@dataclass(frozen=True)
class Halving:
    """`rungs`: ascending, the last ends a TUNE. `metrics`: the objectives that validation shows; `costs`: the rest."""

    rungs: tuple[int, ...]
    metrics: tuple[Objective, ...]
    costs: tuple[Objective, ...]

    def decide(self, standings: Sequence[Standing], *, closing: bool = False, rounds_left: float = inf) -> Decision:
        """See `Scheduler.decide`."""
        ordered = sorted(standings, key=lambda standing: standing.number)
        stops = self._stops(ordered)
        stopped = {stop.tune for stop in stops}
        free = {entry.tune for entry in ordered if self._may_go_on(entry, rounds_left)} - stopped
        order = self._when_closing(ordered) if closing else self._when_open(ordered)
        return Decision(stops, next((entry.tune for entry in order if entry.tune in free), None))

    def _stops(self, ordered: Sequence[Standing]) -> tuple[Stop, ...]:
        chances = Chances(self.metrics, self.costs, ordered)
        paused = [entry for entry in ordered if entry.stand is Stand.PAUSED and 0 < entry.rung < self.rungs[-1]]
        judged = [Stop(entry.tune, chances.of(entry)) for entry in paused]
        return tuple(stop for stop in judged if stop.chance < RISK)

    def _may_go_on(self, standing: Standing, rounds_left: float) -> bool:
        return standing.stand is Stand.PAUSED and self.rungs[-1] - standing.rung <= rounds_left

    def _when_open(self, ordered: Sequence[Standing]) -> Iterator[Standing]:
        """While TUNEs can be proposed: those that earned their next rung, then those that wait for their first."""
        for rung in reversed(self.rungs):
            at_rung = self._best_first(ordered, rung)
            share = 1 if rung == self.rungs[-1] else REDUCTION
            yield from (entry for entry in at_rung[: len(at_rung) // share] if entry.rung == rung)
        yield from (entry for entry in ordered if entry.rung == 0)

    def _when_closing(self, ordered: Sequence[Standing]) -> Iterator[Standing]:
        for rung in reversed(self.rungs):
            yield from (entry for entry in self._best_first(ordered, rung) if entry.rung == rung)
        yield from (entry for entry in ordered if entry.rung == 0)

    def _best_first(self, ordered: Sequence[Standing], rung: int) -> list[Standing]:
        """All that have a value at `rung`, wherever they are now."""
        at_rung = [entry for entry in ordered if rung in entry.rungs]
        classes = sorted({name for entry in at_rung for name in entry.costs})
        rows = [self._row(entry, rung, classes) for entry in at_rung]
        return [at_rung[row] for row in best_first(np.array(rows))] if rows else []

    def _row(self, standing: Standing, rung: int, classes: Sequence[str]) -> list[float]:
        """What is ranked, smaller is better: the metrics at the rung, and each cost in each device class."""
        figures = [standing.costs.get(name, {}) for name in classes]
        costs = [-cost.direction.sign * entry.get(cost.metric, nan) for entry in figures for cost in self.costs]
        return [*(-value_at(standing, rung, metric) for metric in self.metrics), *costs]


def load_scheduler(study: Study, metrics: Sequence[str]) -> Halving:
    """The rule for the study's objectives; `metrics`: those that the workload's `score` yields.

    The parts of a weighted sum count as objectives of their own: what is best by any weights is non-dominated.
    """
    shown = tuple(objective for objective in study.objectives if objective.metric in metrics)
    costs = tuple(objective for objective in study.objectives if objective.metric not in metrics)
    return Halving(study.rungs, shown, costs)
