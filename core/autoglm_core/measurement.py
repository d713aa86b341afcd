"""Measured quantities with their uncertainty and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from autoglm_core.canonical import Json


class Provenance(StrEnum):
    """How a figure came about. Figures of different provenance never share one front."""

    SECURE_SUM = "secure-sum"
    MEASURED = "measured"
    MODELLED = "modelled"
    EXACT = "exact"


class Split(StrEnum):
    """Which rows of the sites a figure was taken on."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Measurement:
    """`mean` in the metric's unit, its `standard_error` in the same unit, `count` of samples or rows behind it."""

    mean: float
    standard_error: float
    count: int
    provenance: Provenance
    split: Split | None = None

    def to_json(self) -> Json:
        """As plain JSON values; `split` is left out where there is none."""
        value: Json = {
            "mean": self.mean,
            "standard_error": self.standard_error,
            "count": self.count,
            "provenance": str(self.provenance),
        }
        return value if self.split is None else {**value, "split": str(self.split)}

    @classmethod
    def from_json(cls, value: Json) -> Measurement:
        """Inverse of `to_json`."""
        split = value.get("split")
        return cls(
            mean=float(value["mean"]),
            standard_error=float(value["standard_error"]),
            count=int(value["count"]),
            provenance=Provenance(value["provenance"]),
            split=None if split is None else Split(split),
        )


Measurements = Mapping[str, Measurement]
"""By metric name."""


def measurements_to_json(measurements: Measurements) -> Json:
    """Each measurement as JSON, by metric."""
    return {metric: measurement.to_json() for metric, measurement in measurements.items()}


def measurements_from_json(value: Json) -> dict[str, Measurement]:
    """Inverse of `measurements_to_json`."""
    return {metric: Measurement.from_json(entry) for metric, entry in value.items()}
