"""A small study and small sites for each kind of workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterLayout, Counters
from autoglm_core.objective import Direction, Objective
from autoglm_core.schema import Column, ColumnKind, ImageSchema, LabelColumn, MissingRows, Schema, TableSchema
from autoglm_core.space import SearchSpace
from autoglm_core.study import Budget, Study
from autoglm_core.workload import ModelSide, SiteSide
from autoglm_workloads.registry import load_workload

IMAGES = ImageSchema(height=8, width=8, channels=1, scale=16.0, classes=("left", "right", "both"))
CATEGORY = Column("ward", ColumnKind.CATEGORY, ("a", "b", "c"))
LABEL = LabelColumn("ill", (("no", ("0",)), ("yes", ("1", "2"))))
COLUMNS = (Column("age"), CATEGORY, Column("dose"), Column("note", ColumnKind.IGNORE), Column("ill", ColumnKind.LABEL))


def table(missing_rows: MissingRows) -> TableSchema:
    """Two numbers of unlike units, a category, something to ignore, two classes."""
    return TableSchema(COLUMNS, LABEL, missing=("?",), missing_rows=missing_rows)


@dataclass(frozen=True)
class Case:
    """One workload with a study, a tune and every variant that makes sense."""

    workload: str
    model: str
    schema: Schema
    tune: Values
    deploys: tuple[Values, ...]
    metric: str = "accuracy"

    @property
    def study(self) -> Study:
        """A valid study."""
        return Study(
            name="case",
            workload=self.workload,
            workload_version=1,
            data="case",
            model=self.model,
            schema=self.schema,
            space=SearchSpace((), ()),
            objectives=(Objective(self.metric, Direction.MAXIMIZE),),
            rounds=2,
            budget=Budget(1),
        )

    @property
    def model_side(self) -> ModelSide:
        """The coordinator's half."""
        return load_workload(self.workload).model_side

    @property
    def site_side(self) -> SiteSide:
        """The site's half."""
        return load_workload(self.workload).site_side

    def units(self, counters: Counters) -> float:
        """What the loss is the mean over."""
        return float(counters["rows"])

    def configurations(self) -> list[Configuration]:
        """One for each variant."""
        return [Configuration(self.tune, deploy) for deploy in self.deploys]

    def sites(self, folder: Path, count: int = 3) -> list[Any]:
        """Loaded data of `count` sites with different rows."""
        return [self.site_side.load(self._write(folder, seed), self.study) for seed in range(count)]

    def constants(self, sites: Sequence[Any]) -> Counters:
        """Summed as a secure sum would."""
        layout = self.model_side.constants_layout(self.study)
        return summed(layout, [self.site_side.constants(data, self.study) for data in sites])

    def histograms(self, configuration: Configuration, model: bytes, sites: Sequence[Any]) -> Counters:
        """Summed calibration histograms."""
        layout = self.model_side.calibrate_layout(self.study, configuration)
        return summed(layout, [self.site_side.calibrate(data, self.study, configuration, model) for data in sites])

    def _write(self, folder: Path, seed: int) -> Path:
        rows = 60 + 10 * seed
        if isinstance(self.schema, ImageSchema):
            return write_images(folder / f"{seed}.npz", rows, seed)
        return write_table(folder / f"{seed}.csv", rows, seed)


def summed(layout: CounterLayout, parts: Sequence[Counters]) -> Counters:
    """The sum over sites, through the fixed-point vectors."""
    vectors = [layout.encode(part) for part in parts]
    return layout.decode(np.asarray(sum(vectors), dtype=np.int64))


def write_images(path: Path, rows: int, seed: int) -> Path:
    """Noisy 8 x 8 images whose left half, right half or whole is bright."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    images = generator.integers(0, 6, (rows, 8, 8))
    images[labels != 1, :, :4] += 8
    images[labels != 0, :, 4:] += 8
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return path


def write_table(path: Path, rows: int, seed: int) -> Path:
    """Rows of `COLUMNS`, some with a missing dose; the label depends on age and ward."""
    generator = np.random.default_rng(seed)
    lines = ["age,ward,dose,note,ill"]
    for _ in range(rows):
        age, ward = generator.integers(20, 90), generator.integers(0, 3)
        dose = "?" if generator.random() < 0.1 else f"{generator.random() * 1e-3:.3e}"
        ill = int(age + 10 * ward + generator.normal(0, 5) > 60) * int(generator.integers(1, 3))
        lines.append(f"{age},{'abc'[ward]},{dose},free text,{ill}")
    path.write_text("\n".join(lines) + "\n")
    return path


VARIANTS: tuple[Values, ...] = tuple(
    {"prune": prune, "quantization": quantization}
    for prune in (0.0, 0.5)
    for quantization in ("none", "int8-dynamic", "int8-static")
)
CASES = {
    "image": Case("image-classification", "small-cnn", IMAGES, {"width": 16, "learning_rate": 0.1}, VARIANTS),
    "logistic": Case("tabular-classification", "logistic-regression", table(MissingRows.DROP), {}, ({},)),
    "mlp": Case("tabular-classification", "mlp", table(MissingRows.IMPUTE), {"width": 24}, VARIANTS),
    "synthetic": Case("synthetic", "none", table(MissingRows.DROP), {}, ({},), metric="loss"),
}
