"""Our sampler among those that a user could pick instead: hypervolume after 40 and 60 evaluations, seconds to suggest.

    OMP_NUM_THREADS=1 python benchmarks/sampler.py --out rows [--problems A,B] [--samplers bayes,TPE] [--seeds 0,1,2]
                                                   [--part hypervolume|speed] [--json]

A row is one problem, one sampler and one seed, and one file of JSON lines under `--out`; each line is an evaluation.
Rows that are there are not run again, and one that was interrupted goes on where it stood, so the table can be made in
any number of calls; every call prints what the folder holds for what it was asked. All samplers begin with the same
ten points of a Sobol sequence.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sampler_problems import PROBLEMS, Problem
from sampler_rivals import REAL_ONLY, SAMPLERS, Evaluated, one_thread, quiet
from scipy.stats import qmc, rankdata

from autoglm_coordinator.sampler.bayes.boxes import hypervolume
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_core.configuration import Configuration

START = 10
STOPS = (40, 60)
SIZES = (100, 300, 1000)
REPEATS = 3
SPEED_PROBLEM = "DTLZ2"
Rows = Mapping[tuple[str, str, int], list[Evaluated]]
"""By problem, sampler and seed."""


def spread(problem: Problem, count: int, seed: int) -> list[Configuration]:
    """The first `count` points of a scrambled Sobol sequence."""
    cube = UnitCube(problem.space)
    size = 1 << (count - 1).bit_length()
    points = qmc.Sobol(cube.latents, rng=np.random.default_rng(seed)).random(size)[:count]
    return [cube.configuration(point) for point in points]


def evaluated(problem: Problem, configuration: Configuration) -> Evaluated:
    """`configuration` with its figures."""
    return Evaluated(configuration, problem.evaluate({**configuration.tune, **configuration.deploy}))


def read_row(path: Path) -> list[Evaluated]:
    """The evaluations of a row; a last line that was cut off is left out."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return [Evaluated(Configuration.from_json(entry["configuration"]), tuple(entry["values"])) for entry in entries]


def run_row(path: Path, problem: Problem, sampler: str, seed: int) -> None:
    """Evaluate until the last of `STOPS`, each evaluation a line at the end of the file."""
    known = read_row(path)
    start = spread(problem, START, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(_line(entry) for entry in known))
    with path.open("a") as file:
        while len(known) < STOPS[-1]:
            number = len(known)
            entry = evaluated(problem, start[number] if number < START else SAMPLERS[sampler](problem, known, seed))
            known.append(entry)
            file.write(_line(entry))
            file.flush()


def _line(entry: Evaluated) -> str:
    return json.dumps({"configuration": entry.configuration.to_json(), "values": list(entry.values)}) + "\n"


def volume(problem: Problem, row: Sequence[Evaluated]) -> float:
    """The hypervolume of a row's front, from the problem's reference point."""
    values: NDArray[np.float64] = -np.array([entry.values for entry in row])
    return hypervolume(values, -np.array(problem.reference))


def suggest_seconds(sampler: str, problem: Problem, size: int) -> float:
    """Median wall time of a suggestion after `size` evaluations that are spread over the space."""
    known = [evaluated(problem, configuration) for configuration in spread(problem, size, seed=0)]
    times = []
    for seed in range(REPEATS):
        began = time.perf_counter()
        SAMPLERS[sampler](problem, known, seed)
        times.append(time.perf_counter() - began)
    return median(times)


def volumes(rows: Rows) -> dict[str, dict[str, dict[str, float]]]:
    """Problem -> sampler -> mean hypervolume over the seeds, by number of evaluations."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for problem, sampler in dict.fromkeys((problem, sampler) for problem, sampler, _ in rows):
        own = [row for (name, by, _), row in rows.items() if (name, by) == (problem, sampler)]
        means = {str(stop): fmean(volume(PROBLEMS[problem], row[:stop]) for row in own) for stop in STOPS}
        table.setdefault(problem, {})[sampler] = means
    return table


def mean_ranks(rows: Rows, stop: int) -> dict[str, float]:
    """By sampler, over the problems and seeds that all samplers of `rows` have; 1 is best."""
    samplers = sorted({sampler for _, sampler, _ in rows})
    cells = sorted({(problem, seed) for problem, _, seed in rows})
    shared = [cell for cell in cells if all((cell[0], sampler, cell[1]) in rows for sampler in samplers)]
    ranks = [
        rankdata([-volume(PROBLEMS[problem], rows[problem, sampler, seed][:stop]) for sampler in samplers])
        for problem, seed in shared
    ]
    return dict(zip(samplers, np.mean(ranks, axis=0).tolist(), strict=True)) if ranks else {}


def compare(asked: argparse.Namespace) -> dict[str, Any]:
    """Run what is missing of the rows asked for, and sum up."""
    rows = {}
    for name, seed, sampler in product(asked.problems, asked.seeds, asked.samplers):
        if sampler in REAL_ONLY and not PROBLEMS[name].real:
            continue
        path = Path(asked.out) / f"{name}-{sampler}-{seed}.jsonl"
        run_row(path, PROBLEMS[name], sampler, seed)
        rows[name, sampler, seed] = read_row(path)
    return {
        "mean_rank": mean_ranks(rows, STOPS[-1]),
        "mean_rank_at_40": mean_ranks(rows, STOPS[0]),
        "hypervolume": volumes(rows),
    }


def speed(asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds per suggestion; samplers and sizes as asked, for some take minutes."""
    problem = PROBLEMS[SPEED_PROBLEM]
    return {
        "suggest_s": {
            sampler: {str(size): suggest_seconds(sampler, problem, size) for size in asked.sizes}
            for sampler in asked.samplers
        }
    }


def show(result: Mapping[str, Any]) -> None:
    """The result as lines of text."""
    for problem, by_sampler in result.get("hypervolume", {}).items():
        most = PROBLEMS[problem].maximum
        print(problem + (f" (the whole front: {most:g})" if most else ""))
        for sampler, means in by_sampler.items():
            print(f"  {sampler:<10}" + "".join(f"  {stop}: {value:.6g}" for stop, value in means.items()))
    for key in ("mean_rank", "mean_rank_at_40", "suggest_s"):
        for sampler, figure in result.get(key, {}).items():
            print(f"{key}  {sampler:<10}  {figure}")


def _arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return text.split(",")

    def numbers(text: str) -> list[int]:
        return [int(entry) for entry in text.split(",")]

    parser = argparse.ArgumentParser(description="Samplers compared.")
    parser.add_argument("--problems", type=names, default=list(PROBLEMS), help=", ".join(PROBLEMS))
    parser.add_argument("--samplers", type=names, default=list(SAMPLERS), help=", ".join(SAMPLERS))
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2, 3, 4])
    parser.add_argument("--sizes", type=numbers, default=list(SIZES), help="evaluations known, for `speed`")
    parser.add_argument("--part", choices=("hypervolume", "speed"), default="hypervolume")
    parser.add_argument("--out", default="sampler-rows", help="folder of the rows")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """See the module."""
    asked = _arguments()
    quiet()
    one_thread()
    result = compare(asked) if asked.part == "hypervolume" else speed(asked)
    if asked.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
