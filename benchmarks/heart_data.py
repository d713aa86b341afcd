"""The four hospitals' rows, FLamby's splits of them, and the figures that FLamby published.

FLamby: Terrail et al. 2022 (arXiv:2210.04620), Fed-Heart-Disease.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from autoglm_core.measurement import Split
from autoglm_core.schema import Column, TableSchema

TRAINING_SHARE, VALIDATION_SHARE = 0.66, 0.2
PUBLISHED_STATE = 43
PUBLISHED = {
    "Pooled Training": "pooled (not private)",
    "Local 0": "best local (Cleveland)",
    "FedAvg100": "FedAvg",
    "FedAdam100": "FedAdam",
    "FedAdagrad100": "FedAdagrad",
    "FedYogi100": "FedYogi",
}
Row = list[str]
Names = NDArray[np.str_]
"""`(rows,)`: train, validation or test."""
Figures = dict[str, float]
"""Test figures in percent by metric."""


@dataclass(frozen=True)
class Hospital:
    """One centre: its `rows` without those that lack a feature, and whether each is ill."""

    name: str
    rows: list[Row]
    ill: NDArray[np.bool_]

    def split(self, state: int) -> Names:
        """`train`, `validation` or `test` for each row."""
        names = np.full(len(self.rows), str(Split.TRAIN), dtype="<U10")
        train, test = self._cut(np.arange(len(self.rows)), 1 - TRAINING_SHARE, state)
        _, validation = self._cut(train, VALIDATION_SHARE, state)
        names[test], names[validation] = str(Split.TEST), str(Split.VALIDATION)
        return names

    def _cut(self, rows: NDArray[np.intp], share: float, state: int) -> list[NDArray[np.intp]]:
        """As FLamby does it: stratified if each class has more than two rows."""
        counts = np.bincount(self.ill[rows], minlength=2)
        stratify = self.ill[rows] if counts.min() > 2 else None
        cut: list[NDArray[np.intp]] = train_test_split(
            rows, test_size=share, train_size=1 - share, random_state=state, stratify=stratify
        )
        return cut


def all_trained(names: Names) -> Names:
    """The split with its validation rows among the training rows."""
    return np.where(names == str(Split.VALIDATION), str(Split.TRAIN), names)


def write(path: Path, rows: Sequence[Row], names: Names, parts: Names) -> None:
    """Each row with its part; one that is no longer what `names` says stands there under its old name as well."""
    moved = [(row, name) for row, name, part in zip(rows, names, parts, strict=True) if part != name]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([*row, name] for row, name in [*zip(rows, parts, strict=True), *moved])


def read_hospital(name: str, path: Path, schema: TableSchema) -> Hospital:
    """The rows of the published protocol: those with every feature and a label."""
    used = [schema.position(column.name) for column in (*schema.features, Column(schema.label.name))]
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    rows = [row for row in rows if not any(row[place].strip() in schema.missing for place in used)]
    label = schema.position(schema.label.name)
    return Hospital(name, rows, np.array([float(row[label]) > 0 for row in rows]))


def published_rows(folder: Path) -> dict[str, Figures]:
    """FLamby's own figures, means of its five seeds."""
    found: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["Method"], []).append(row)
    rows = {}
    for method, title in PUBLISHED.items():
        pooled = [float(row["Metric"]) for row in found[method] if row["Test"] == "Pooled Test"]
        centres = [float(row["Metric"]) for row in found[method] if row["Test"].startswith("client_test")]
        rows[title] = {"accuracy": 100 * fmean(pooled), "mean_site_accuracy": 100 * fmean(centres)}
    return rows
