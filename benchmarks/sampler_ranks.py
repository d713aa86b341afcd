"""What rows come to: hypervolumes, mean ranks, and how sure a difference of ranks is.

A cell is a problem with a seed; samplers are ranked within each cell by the hypervolume of their front, 1 is best, ties
share. Only cells that every sampler has are ranked. Intervals are percentile bootstraps (Efron & Tibshirani 1993,
chapter 13) of the mean paired difference: once with cells drawn anew, and once with whole problems, for another list of
problems is what a user has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sampler_problems import PROBLEMS
from sampler_rows import STOPS, Row, Rows
from scipy.stats import rankdata

from autoglm_coordinator.sampler.bayes.boxes import hypervolume

OURS = "bayes"
NEAREST_RIVAL = "GPSampler"
DRAWS = 10_000
INSIDE = (2.5, 97.5)
Volumes = Mapping[tuple[str, str, int], float]
"""By problem, sampler and seed."""


def summary(rows: Rows) -> dict[str, Any]:
    """Everything that is said of `rows`; a key per figure."""
    at_first, at_last = ({key: volume(key[0], row[:stop]) for key, row in rows.items()} for stop in STOPS)
    return {
        "mean_rank": mean_ranks(at_last),
        "mean_rank_at_40": mean_ranks(at_first),
        "cells": len(shared_cells(at_last)),
        "rank_difference": differences(at_last, whole_problems=False),
        "rank_difference_at_40": differences(at_first, whole_problems=False),
        "rank_difference_by_problem": differences(at_last, whole_problems=True),
        "rank_difference_by_problem_at_40": differences(at_first, whole_problems=True),
        "below": below(at_last),
        "below_at_40": below(at_first),
        "hypervolume": means({"40": at_first, "60": at_last}),
    }


def volume(problem: str, row: Row) -> float:
    """The hypervolume of a row's front, from the problem's reference point."""
    values: NDArray[np.float64] = -np.array([entry.values for entry in row])
    return hypervolume(values, -np.array(PROBLEMS[problem].reference))


def means(by_stop: Mapping[str, Volumes]) -> dict[str, dict[str, dict[str, float]]]:
    """Problem -> sampler -> mean hypervolume over the seeds, by number of evaluations."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for stop, volumes in by_stop.items():
        for problem, sampler in dict.fromkeys(key[:2] for key in volumes):
            table.setdefault(problem, {}).setdefault(sampler, {})[stop] = _mean(volumes, problem, sampler)
    return table


def below(volumes: Volumes) -> list[str]:
    """Problems on which our mean hypervolume is below that of the nearest rival, over the seeds that both have."""
    seeds = {
        problem: [seed for (name, _, seed) in volumes if name == problem and (problem, OURS, seed) in volumes]
        for problem in dict.fromkeys(key[0] for key in volumes)
    }
    return [
        problem
        for problem, own in seeds.items()
        if (both := [seed for seed in dict.fromkeys(own) if (problem, NEAREST_RIVAL, seed) in volumes])
        and fmean(volumes[problem, OURS, seed] for seed in both)
        < fmean(volumes[problem, NEAREST_RIVAL, seed] for seed in both)
    ]


def mean_ranks(volumes: Volumes) -> dict[str, float]:
    """By sampler, best first."""
    cells, samplers = shared_cells(volumes), _samplers(volumes)
    ranks = _ranks(volumes, cells, samplers)
    found = dict(zip(samplers, ranks.mean(axis=0).tolist(), strict=True)) if cells else {}
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def differences(volumes: Volumes, *, whole_problems: bool) -> dict[str, list[float]]:
    """By rival, the interval of our mean rank less the rival's: below 0 means that ours is ahead."""
    cells, samplers = shared_cells(volumes), _samplers(volumes)
    if not cells or OURS not in samplers:
        return {}
    ranks = _ranks(volumes, cells, samplers)
    weights = _drawn(cells, whole_problems=whole_problems)
    ours = ranks[:, samplers.index(OURS)]
    return {
        rival: np.percentile(weights @ (ours - ranks[:, index]), INSIDE).tolist()
        for index, rival in enumerate(samplers)
        if rival != OURS
    }


def shared_cells(volumes: Volumes) -> list[tuple[str, int]]:
    """Problems and seeds that every sampler has."""
    cells = dict.fromkeys((problem, seed) for problem, _, seed in volumes)
    samplers = _samplers(volumes)
    return [cell for cell in cells if all((cell[0], sampler, cell[1]) in volumes for sampler in samplers)]


def _ranks(volumes: Volumes, cells: Sequence[tuple[str, int]], samplers: Sequence[str]) -> NDArray[np.float64]:
    """`(cells, samplers)`."""
    figures = [-volumes[problem, sampler, seed] for (problem, seed), sampler in product(cells, samplers)]
    ranks: NDArray[np.float64] = rankdata(np.reshape(figures, (len(cells), len(samplers))), axis=1)
    return ranks


def _drawn(cells: Sequence[tuple[str, int]], *, whole_problems: bool) -> NDArray[np.float64]:
    """`(draws, cells)`: weight of each cell in the mean of each draw."""
    names = [problem if whole_problems else (problem, seed) for problem, seed in cells]
    units = list(dict.fromkeys(names))
    unit = np.array([units.index(name) for name in names])
    drawn = np.random.default_rng(0).multinomial(len(units), np.full(len(units), 1 / len(units)), size=DRAWS)
    counted: NDArray[np.float64] = drawn[:, unit].astype(float)
    weights: NDArray[np.float64] = counted / counted.sum(axis=1, keepdims=True)
    return weights


def _samplers(volumes: Volumes) -> list[str]:
    return list(dict.fromkeys(sampler for _, sampler, _ in volumes))


def _mean(volumes: Volumes, problem: str, sampler: str) -> float:
    return fmean(figure for key, figure in volumes.items() if key[:2] == (problem, sampler))
