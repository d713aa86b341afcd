"""Our sampler among those that a user could pick instead: hypervolume after 40 and 60 evaluations, seconds to suggest.

    OMP_NUM_THREADS=1 python benchmarks/sampler.py --out rows [--problems A,B] [--samplers bayes,TPE] [--seeds 0,1,2]
                                                   [--part hypervolume|speed|rungs|nested|all] [--held] [--json]

A row is one problem, one sampler and one seed, and one file of JSON lines under `--out`; each line is an evaluation.
Rows that are there are not run again, and one that was interrupted goes on where it stood, so the table can be made in
any number of calls; every call prints what the folder holds for what it was asked, with `--held` without running more.
All samplers begin with the same ten points of a Sobol sequence.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from importlib import import_module
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from sampler_problem import Problem
from sampler_problems import PROBLEMS
from sampler_ranks import summary
from sampler_rivals import SAMPLERS, one_thread, quiet
from sampler_rows import STOPS, evaluated, read_row, row_path, run_row, spread

PARTS = ("hypervolume", "speed", "rungs", "nested")
SIZES = (100, 300, 1000)
REPEATS = 3
SPEED_PROBLEM = "DTLZ2"


def compare(asked: argparse.Namespace) -> dict[str, Any]:
    """Run what is missing of the rows asked for, and sum up those that are whole."""
    rows = {}
    for key in product(asked.problems, asked.samplers, asked.seeds):
        path = row_path(Path(asked.out), *key)
        if not asked.held:
            run_row(path, PROBLEMS[key[0]], *key[1:])
        row = read_row(path)
        if len(row) >= STOPS[-1]:
            rows[key] = row
    return summary(rows)


def speed(asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds per suggestion; samplers and sizes as asked, for some take minutes."""
    problem = PROBLEMS[SPEED_PROBLEM]
    return {
        "suggest_s": {
            sampler: {str(size): suggest_seconds(sampler, problem, size) for size in asked.sizes}
            for sampler in asked.samplers
        }
    }


def suggest_seconds(sampler: str, problem: Problem, size: int) -> float:
    """Median wall time of a suggestion after `size` evaluations that are spread over the space."""
    known = [evaluated(problem, configuration) for configuration in spread(problem, size, seed=0)]
    times = []
    for seed in range(REPEATS):
        began = time.perf_counter()
        SAMPLERS[sampler](problem, known, seed)
        times.append(time.perf_counter() - began)
    return median(times)


def run_part(part: str, asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part by JSON key."""
    match part:
        case "hypervolume":
            return compare(asked)
        case "speed":
            return speed(asked)
        case _:
            # They run studies over the workloads, which a table of hypervolumes need not load.
            result: dict[str, Any] = import_module(f"sampler_{part}").run(asked)
            return result


def show(result: Mapping[str, Any]) -> None:
    """The result as lines of text."""
    for problem, by_sampler in result.get("hypervolume", {}).items():
        most = PROBLEMS[problem].maximum
        print(problem + (f" (the whole front: {most:g})" if most else ""))
        for sampler, means in by_sampler.items():
            print(f"  {sampler:<10}" + "".join(f"  {stop}: {value:.6g}" for stop, value in means.items()))
    for key, figure in result.items():
        if key == "hypervolume":
            continue
        if isinstance(figure, Mapping):
            for name, value in figure.items():
                print(f"{key}  {name:<10}  {_text(value)}")
        else:
            print(f"{key}  {_text(figure)}")


def _text(value: object) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return ", ".join(map(_text, value)) or "none"
        case Mapping():
            return ", ".join(f"{name}: {_text(entry)}" for name, entry in value.items())
        case _:
            return str(value)


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
    parser.add_argument("--part", choices=(*PARTS, "all"), default="hypervolume")
    parser.add_argument("--out", default="sampler-rows", help="folder of the rows")
    parser.add_argument("--held", action="store_true", help="sum up the rows that are whole, run none")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """See the module."""
    asked = _arguments()
    quiet()
    one_thread()
    result: dict[str, Any] = {}
    for part in PARTS if asked.part == "all" else (asked.part,):
        result |= run_part(part, asked)
    if asked.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
