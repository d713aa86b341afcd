"""Four sites whose rows one straight line parts, each seen from elsewhere; a study of it for each protection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from autoglm.simulate import Simulation, simulation_of
from autoglm.study_file import parse_study_text
from autoglm_core.study import Protection

FEATURES, ROWS, SITES = 30, 300, 4
DIMENSION = 2 * (FEATURES + 1)
"""Weights and biases of a logistic regression of two classes."""
STUDY = """
name: linear
workload: tabular-classification
data: linear
model: logistic-regression
schema: {{form: table, header: false, columns: {columns}, label: {{name: y, classes: {{no: [0], yes: [1]}}}}}}
search: {{tune: {{learning_rate: [0.5], aggregator: [fedavg]}}}}
objectives: {{loss: minimize}}
rounds: 20
budget: {{trials: 1}}
simulate: {{sites: {{files: {files}}}}}
"""


def linear(folder: Path) -> Simulation:
    """One TUNE of 20 rounds; the files are written to `folder`."""
    files = {f"site-{number}": str(_site(folder, number)) for number in range(1, SITES + 1)}
    columns = {**{f"x{number}": "number" for number in range(FEATURES)}, "y": "label"}
    text = STUDY.format(columns=_flow(columns), files=_flow(files))
    return simulation_of(parse_study_text(text, file="linear.yaml", folder=folder))


def under(simulation: Simulation, protection: Protection, *, name: str) -> Simulation:
    """The same study with another protection."""
    return replace(simulation, study=replace(simulation.study, name=name, protection=protection))


def _site(folder: Path, number: int) -> Path:
    draw = np.random.default_rng(number)
    normal = np.random.default_rng(0).normal(size=FEATURES) / FEATURES**0.5
    rows = draw.normal(0.3 * (number - 1), 1.0, (ROWS, FEATURES))
    labels = rows @ normal + draw.normal(0.0, 0.3, ROWS) > 0.45 * normal.sum()
    path = folder / f"{number}.csv"
    np.savetxt(path, np.column_stack([rows, labels]), fmt=["%.4f"] * FEATURES + ["%d"], delimiter=",")
    return path


def _flow(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in values.items()) + "}"
