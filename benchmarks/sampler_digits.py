"""`Digits`: a search among points that were really trained and measured, see make_digits_table.py.

Every configuration of the space is a row of data/digits_table.csv. Three figures, all minimised: share of validation
rows that are classified wrongly, median latency in ms, modelled energy in mJ per inference.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sampler_problem import Problem

from autoglm_coordinator.sampler.bayes.boxes import hypervolume
from autoglm_core.configuration import Value, Values
from autoglm_core.space import CategoricalParameter, IntParameter, SearchSpace

TABLE = Path(__file__).parent / "data" / "digits_table.csv"
FIGURES = ("accuracy", "latency_p50_ms", "energy_mj")
SPACE = SearchSpace(
    tune=(
        CategoricalParameter("learning_rate", (0.01, 0.03, 0.1, 0.3)),
        CategoricalParameter("batch_size", (16, 64)),
        IntParameter("local_epochs", 1, 2),
        CategoricalParameter("width", (2, 4, 8, 16, 24, 32, 48, 64)),
    ),
    deploy=(
        CategoricalParameter("prune", (0.0, 0.2, 0.4, 0.6)),
        CategoricalParameter("quantization", ("none", "int8-dynamic", "int8-static")),
        CategoricalParameter("threads", (1, 2)),
    ),
)
NAMES = tuple(parameter.name for parameter in (*SPACE.tune, *SPACE.deploy))
Point = tuple[Value, ...]


def point(values: Values) -> Point:
    """The values in the order of the table's columns."""
    return tuple(values[name] for name in NAMES)


def digits() -> Problem:
    """The problem, read from the table."""
    with TABLE.open(newline="") as file:
        by_text = {tuple(row[name] for name in NAMES): _minimised(row) for row in csv.DictReader(file)}
    figures = np.array(list(by_text.values()))
    # Better than three quarters of the table in every figure: all of the front lies well within.
    reference = np.quantile(figures, 0.75, axis=0)
    return Problem(
        name="Digits",
        space=SPACE,
        reference=tuple(reference.tolist()),
        evaluate=lambda values: by_text[tuple(map(str, point(values)))],
        real=False,
        maximum=hypervolume(-figures, -reference),
    )


def _minimised(row: Mapping[str, str]) -> tuple[float, ...]:
    accuracy, *costs = (float(row[name]) for name in FIGURES)
    return (1 - accuracy, *costs)
