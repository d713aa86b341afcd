"""Rows of the comparison: one problem, one sampler, one seed, each a file of JSON lines with a line per evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sampler_problem import Problem
from sampler_rivals import SAMPLERS, Evaluated
from scipy.stats import qmc

from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_core.configuration import Configuration

START = 10
"""Points of a Sobol sequence that all samplers begin with."""
STOPS = (40, 60)
Row = list[Evaluated]
Rows = Mapping[tuple[str, str, int], Row]
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


def row_path(folder: Path, problem: str, sampler: str, seed: int) -> Path:
    """Where a row is kept."""
    return folder / f"{problem}-{sampler}-{seed}.jsonl"


def read_row(path: Path) -> Row:
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
            count = len(known)
            entry = evaluated(problem, start[count] if count < START else SAMPLERS[sampler](problem, known, seed))
            known.append(entry)
            file.write(_line(entry))
            file.flush()


def _line(entry: Evaluated) -> str:
    return json.dumps({"configuration": entry.configuration.to_json(), "values": list(entry.values)}) + "\n"
