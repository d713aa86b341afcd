"""Plain federated averaging reaches what the study promises, on real data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.schema import Column, ColumnKind, ImageSchema, LabelColumn, TableSchema
from autoglm_core.study import Study
from autoglm_core.workload import LocalRound, Vector
from autoglm_workloads.registry import load_workload
from support.workload_cases import CASES, summed

HEART = Path(__file__).parents[3] / "shared" / "data" / "heart_disease"
DIGITS = ImageSchema(height=8, width=8, channels=1, scale=16.0, classes=tuple("0123456789"))


@dataclass(frozen=True)
class Federation:
    """A study over loaded sites, averaged in the clear."""

    study: Study
    sites: Sequence[Any]
    tune: Values

    @property
    def constants(self) -> Counters:
        workload = load_workload(self.study.workload)
        layout = workload.model_side.constants_layout(self.study)
        return summed(layout, [workload.site_side.constants(data, self.study) for data in self.sites])

    def averaged(self, rounds: int) -> Vector:
        workload = load_workload(self.study.workload)
        parameters = workload.model_side.initial(self.study, self.tune, bytes(32))
        constants = self.constants
        for number in range(rounds):
            outcomes = [
                workload.site_side.train(
                    data, self.study, self.tune, parameters, constants, LocalRound(number + 1, bytes([number, site]))
                )
                for site, data in enumerate(self.sites)
            ]
            weights = np.array([outcome.weight for outcome in outcomes], np.float64)
            stack = np.stack([outcome.parameters for outcome in outcomes])
            parameters = (weights @ stack / weights.sum()).astype(np.float32)
        return parameters

    def scored(self, model: bytes) -> dict[str, Measurement]:
        workload = load_workload(self.study.workload)
        parts = [workload.site_side.evaluate_model(data, self.study, model, Split.TEST) for data in self.sites]
        layout = workload.model_side.evaluate_layout(self.study)
        return workload.model_side.score(summed(layout, parts), Split.TEST)

    def exported(self, parameters: Vector, deploy: Values) -> bytes:
        workload = load_workload(self.study.workload)
        configuration, constants = Configuration(self.tune, deploy), self.constants
        side = workload.model_side
        watched = side.export_calibration(self.study, configuration, parameters, constants)
        histograms = summed(
            side.calibrate_layout(self.study, configuration),
            [workload.site_side.calibrate(data, self.study, configuration, watched) for data in self.sites],
        )
        return side.export(self.study, configuration, parameters, constants, histograms).model


def digit_sites(folder: Path, study: Study) -> list[Any]:
    """Scikit-learn's digits over four sites with Dirichlet(0.5) label skew."""
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    generator = np.random.default_rng(7)
    shares = generator.dirichlet([0.5] * 4, size=10)
    site = np.array([generator.choice(4, p=shares[label]) for label in digits.target])
    loaded = []
    for number in range(4):
        path = folder / f"{number}.npz"
        np.savez(path, images=digits.images[site == number].astype(np.uint8), labels=digits.target[site == number])
        loaded.append(load_workload(study.workload).site_side.load(path, study))
    return loaded


def test_digits_over_four_skewed_sites(tmp_path: Path) -> None:
    study = replace(CASES["image"].study, schema=DIGITS)
    tune = {"learning_rate": 0.05, "batch_size": 16, "local_epochs": 2, "width": 16}
    federation = Federation(study, digit_sites(tmp_path, study), tune)
    parameters = federation.averaged(rounds=6)
    accuracy = federation.scored(federation.exported(parameters, {}))["accuracy"]
    assert accuracy.mean >= 0.95
    assert accuracy.count == pytest.approx(360, abs=8)
    int8 = federation.scored(federation.exported(parameters, {"quantization": "int8-static"}))["accuracy"]
    assert int8.mean >= accuracy.mean - 0.01


def heart_schema() -> TableSchema:
    names = ("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak")
    categories = {"cp": ("1", "2", "3", "4"), "restecg": ("0", "1", "2")}
    columns = [
        Column(name, ColumnKind.CATEGORY, categories[name]) if name in categories else Column(name) for name in names
    ]
    columns += [Column(name, ColumnKind.IGNORE) for name in ("slope", "ca", "thal")]
    label = LabelColumn("disease", (("absent", ("0",)), ("present", ("1", "2", "3", "4"))))
    return TableSchema((*columns, Column("disease", ColumnKind.LABEL)), label, missing=("?",), header=False)


@pytest.mark.skipif(not HEART.is_dir(), reason="the heart disease data is not beside this repository")
def test_heart_over_four_hospitals() -> None:
    study = replace(CASES["logistic"].study, schema=heart_schema())
    side = load_workload(study.workload).site_side
    names = ("cleveland", "hungarian", "switzerland", "va")
    sites = [side.load(HEART / f"processed.{name}.data", study) for name in names]
    assert [data.labels.size for data in sites] == [303, 261, 46, 130]
    federation = Federation(study, sites, {})
    scores = federation.scored(federation.exported(federation.averaged(rounds=10), {}))
    assert scores["accuracy"].mean >= 0.75
    assert scores["auroc"].mean >= 0.82
