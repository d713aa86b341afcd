"""What rungs save: the scheduler over recorded learning curves, beside every TUNE at full length.

    OMP_NUM_THREADS=1 python benchmarks/sampler.py --part rungs --out rows [--held] [--json]

Digits as in the quickstart (accuracy against parameters, which are exact) and the four hospitals (loss and AUROC, as in
the example): real workloads, sites and aggregators, see `learning_curves`. The recorded TUNEs come in a random order,
drawn anew for each replay; the scheduler itself says who goes on, at the rungs that follow from the number of rounds,
until each TUNE is finished or given up. Latency is left out: it was not measured.

`rung_cost_fraction`: rounds, as a share of those of all TUNEs at full length; medians over the replays. The front's
hypervolume is that of the final validation figures as they are, as a share of what all TUNEs at full length reach.
`ratio` has an untrained model (accuracy of guessing, loss ln 2, AUROC one half) as its reference point; `ratio_strict`
the worst final figures of any TUNE, so that differences far below the error of the validation rows fill the whole
scale. `wrong_stops`: share of the stops that were wrong, because the TUNE would have been on the front by more than the
rows can tell apart; to be held against `risk`. `discarded`: share of the full front, by however little, that was
stopped.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from learning_curves import Curve, recorded
from numpy.typing import NDArray

from autoglm.simulate import Simulation, simulation_of
from autoglm.study_file import load_study
from autoglm_coordinator.sampler.bayes.boxes import hypervolume
from autoglm_coordinator.scheduler.api import Stand, Standing
from autoglm_coordinator.scheduler.chance import RESOLUTION
from autoglm_coordinator.scheduler.halving import RISK, Halving
from autoglm_core.objective import Direction, Objective
from autoglm_core.pareto import non_dominated

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ROUNDS, REPLAYS, SEED = 27, 20, 7
ANY = "any"
Array = NDArray[np.float64]
ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
LOSS, AUROC = Objective("loss", Direction.MINIMIZE), Objective("auroc", Direction.MAXIMIZE)
PARAMETERS = Objective("parameters", Direction.MINIMIZE)


@dataclass(frozen=True)
class Case:
    """A data set: the example that declares it, what is optimized, and how many TUNEs are recorded.

    `untrained`: each metric's value by guessing.
    """

    example: str
    tunes: int
    metrics: tuple[Objective, ...]
    costs: tuple[Objective, ...]
    untrained: tuple[float, ...]

    def simulation(self, rounds: int) -> Simulation:
        """The example with as many trials and rounds, at the rungs that follow from these."""
        simulation = simulation_of(load_study(EXAMPLES / self.example), seed=SEED, trials=self.tunes)
        return replace(simulation, study=replace(simulation.study, rounds=rounds, rungs=()))


CASES = {
    "digits": Case("quickstart.yaml", 24, (ACCURACY,), (PARAMETERS,), (0.1,)),
    "heart": Case("heart.yaml", 36, (LOSS, AUROC), (), (log(2), 0.5)),
}


class Replay:
    """One study over recorded curves. `rounds` counts what the scheduler asked for."""

    def __init__(self, case: Case, curves: Sequence[Curve], rungs: tuple[int, ...], order: Sequence[int]) -> None:
        self._scheduler = Halving(rungs, case.metrics, case.costs)
        self._rungs, self._case, self._curves = rungs, case, curves
        self._waiting = list(order)
        self._standings: dict[str, Standing] = {}
        self.rounds = 0

    def run(self) -> dict[str, Standing]:
        """Until nothing is left that should go on."""
        while True:
            decision = self._scheduler.decide(list(self._standings.values()), closing=not self._waiting)
            for stop in decision.stops:
                self._standings[stop.tune] = replace(self._standings[stop.tune], stand=Stand.STOPPED)
            if decision.next is not None:
                self._go_on(self._standings[decision.next])
            elif self._waiting:
                self._begin(self._waiting.pop(0))
            else:
                return self._standings

    def _begin(self, index: int) -> None:
        costs = {ANY: figures_of(self._case.costs, self._curves[index], self._rungs[-1])}
        number = len(self._standings) + 1
        self._go_on(Standing(str(index), number, Stand.PAUSED, costs=costs))

    def _go_on(self, standing: Standing) -> None:
        curve = self._curves[int(standing.tune)]
        rung = self._rungs[self._rungs.index(standing.rung) + 1 if standing.rung else 0]
        self.rounds += rung - standing.rung
        entry = replace(standing, rungs={**standing.rungs, rung: curve.validation[rung - 1]})
        if rung == self._rungs[-1]:
            point = figures_of((*self._case.metrics, *self._case.costs), curve, rung)
            entry = replace(entry, stand=Stand.FINISHED, points={ANY: [point]})
        self._standings[standing.tune] = entry


def figures_of(objectives: Sequence[Objective], curve: Curve, rounds: int) -> dict[str, float]:
    """A TUNE's figures after so many rounds."""
    known = {metric: entry.mean for metric, entry in curve.validation[rounds - 1].items()}
    known["parameters"] = float(curve.parameters)
    return {objective.metric: known[objective.metric] for objective in objectives}


def final_values(case: Case, curves: Sequence[Curve], rounds: int) -> Array:
    """`(n, m)`, larger is better."""
    objectives = (*case.metrics, *case.costs)
    rows = [figures_of(objectives, curve, rounds) for curve in curves]
    return np.array([[entry.direction.sign * row[entry.metric] for entry in objectives] for row in rows])


def references(case: Case, final: Array) -> tuple[Array, Array]:
    """The untrained model and the worst of `final`, both a tenth dearer than the dearest, which else had no volume."""
    untrained = [metric.direction.sign * value for metric, value in zip(case.metrics, case.untrained, strict=True)]
    worst = final.min(axis=0)
    dear = 1.1 * worst[len(untrained) :]
    return np.array([*untrained, *dear]), np.array([*worst[: len(untrained)], *dear])


def replays(case: Case, curves: Sequence[Curve], rungs: tuple[int, ...], count: int) -> dict[str, Any]:
    """Medians over `count` orders; shares of stops are means."""
    final = final_values(case, curves, rungs[-1])
    front = np.flatnonzero(non_dominated(final, [Direction.MAXIMIZE] * final.shape[1]))
    guessing, strict = references(case, final)
    rows: list[dict[str, float]] = []
    for seed in range(count):
        order = list(range(len(curves)))
        random.Random(seed).shuffle(order)  # noqa: S311  an order, no secret
        replay = Replay(case, curves, rungs, order)
        standings = replay.run()
        finished = [int(tune) for tune, entry in standings.items() if entry.stand is Stand.FINISHED]
        stopped = [int(tune) for tune, entry in standings.items() if entry.stand is Stand.STOPPED]
        wrong = [index for index in stopped if would_be_on_front(case, curves[index], final[index], final[finished])]
        rows.append(
            {
                "fraction": replay.rounds / (len(curves) * rungs[-1]),
                "ratio": hypervolume(final[finished], guessing) / hypervolume(final, guessing),
                "ratio_strict": hypervolume(final[finished], strict) / hypervolume(final, strict),
                "finished": len(finished),
                "wrong_stops": len(wrong) / max(1, len(stopped)),
                "discarded": fmean(index in stopped for index in front),
            }
        )
    return {
        **{key: median(row[key] for row in rows) for key in ("fraction", "ratio", "ratio_strict", "finished")},
        "ratio_worst": min(row["ratio"] for row in rows),
        "wrong_stops": fmean(row["wrong_stops"] for row in rows),
        "risk": RISK,
        "discarded": fmean(row["discarded"] for row in rows),
        "on_front": len(front),
        "tunes": len(curves),
        "rungs": list(rungs),
    }


def would_be_on_front(case: Case, curve: Curve, own: Array, finished: Array) -> bool:
    """Whether a TUNE with the final figures `own` `(m,)` beats `finished` `(n, m)` by what the rows can tell apart."""
    errors = [curve.validation[-1][metric.metric].standard_error for metric in case.metrics]
    lowered = own - RESOLUTION * np.array([*errors, *(0.0 for _ in case.costs)])
    return not (finished >= lowered).all(axis=1).any()


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """The part's figures by data set; curves that the folder lacks are recorded first, which takes minutes."""
    rows = {}
    for name, case in CASES.items():
        simulation, path = case.simulation(ROUNDS), Path(asked.out) / f"curves-{name}.jsonl"
        count = 0 if asked.held else case.tunes
        curves = recorded(path, simulation, count=count, rounds=ROUNDS)[: case.tunes]
        if len(curves) == case.tunes:
            rows[name] = replays(case, curves, simulation.study.rungs, REPLAYS)
    return {"rung_cost_fraction": {name: row["fraction"] for name, row in rows.items()}, "rungs": rows}
