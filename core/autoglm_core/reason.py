"""Why a configuration was suggested: how it came about, and what the sampler expected of it.

It is stored with the trial, so that what was promised can be held against what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from autoglm_core.canonical import Json


class How(StrEnum):
    """How a configuration came about."""

    REFERENCE = "reference"
    """The study's reference configuration: it comes first."""
    BELIEVED = "believed"
    """The study's author believes in it."""
    SPREAD = "spread"
    """One of the points that cover the space before a model is asked."""
    MODEL = "model"
    """It promised the most of all that the model was asked about."""
    CHANCE = "chance"
    """Drawn at random, or from what was left: the sampler had nothing better to say."""
    GRID = "grid"
    """The next of all configurations."""
    OPTUNA = "optuna"
    """One of Optuna's samplers suggested it; they do not say why."""


FIGURES = ("log_gain", "feasible", "seconds", "joules")
DIGITS = 6
"""Significant digits of what is told: enough to read, and the same in every process; sums differ in their last ones."""


@dataclass(frozen=True)
class Reason:
    """Why one variant was suggested. What is not finite says nothing and is left out.

    `predicted`: mean and standard deviation in the metric's own unit, by label: the metric, or `class/metric` where
    it is one device class's own. `log_gain`: the acquisition function's value, the logarithm of an expected gain in
    hypervolume. `feasible`: probability that every outcome constraint is met. `seconds`: predicted wall time. `joules`:
    what its TUNE is expected to take at all sites, where the study limits them and its TUNE is still to be run.
    """

    how: How
    predicted: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    log_gain: float | None = None
    feasible: float | None = None
    seconds: float | None = None
    joules: float | None = None

    def __post_init__(self) -> None:
        kept = {
            label: (told(mean), told(deviation))
            for label, (mean, deviation) in self.predicted.items()
            if math.isfinite(mean) and math.isfinite(deviation)
        }
        object.__setattr__(self, "how", How(self.how))
        object.__setattr__(self, "predicted", MappingProxyType(kept))
        for name in FIGURES:
            figure = getattr(self, name)
            object.__setattr__(self, name, None if figure is None or not math.isfinite(figure) else told(figure))

    def to_json(self) -> Json:
        """As in result.json: what is not known is left out."""
        value: Json = {"how": str(self.how)}
        if self.predicted:
            value["predicted"] = {
                label: {"mean": mean, "deviation": deviation} for label, (mean, deviation) in self.predicted.items()
            }
        figures = {name: getattr(self, name) for name in FIGURES}
        return value | {name: figure for name, figure in figures.items() if figure is not None}

    @classmethod
    def from_json(cls, value: Json) -> Reason:
        """Inverse of `to_json`."""
        return cls(
            how=How(value["how"]),
            predicted={
                label: (entry["mean"], entry["deviation"]) for label, entry in value.get("predicted", {}).items()
            },
            **{name: value.get(name) for name in FIGURES},
        )


def told(figure: float) -> float:
    """`figure` to `DIGITS` significant digits."""
    return float(f"{figure:.{DIGITS}g}")
