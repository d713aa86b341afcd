"""What a study optimizes: metrics with a direction, or one weighted sum of metrics.

The weighted sum is in comparable units: a cost (latency, energy, memory, size, parameters) counts relative to the
reference configuration's figure, so weight 0.25 on latency means the same on a server and on a gateway. Metrics of a
workload (accuracy and the like) are fractions already and stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isclose, isfinite
from types import MappingProxyType

from autoglm_core.errors import InvalidInput
from autoglm_core.study_error import StudyError


class Direction(StrEnum):
    """Which way is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> float:
        """Factor that turns a value of this direction into one that is better when larger."""
        return 1.0 if self is Direction.MAXIMIZE else -1.0


ANY_DEVICE = "any"
"""Stands for the device class where a study names none: then only exact figures are known before TUNE."""
DEVICE_METRICS = ("latency_p50_ms", "latency_p95_ms", "energy_mj", "memory_mb")
"""Known once a device of the class was measured."""
EXACT_METRICS = ("size_mb", "parameters")
"""Known of every exported model, without measuring."""
COST_METRICS = (*DEVICE_METRICS, *EXACT_METRICS)
"""Minimized by default; divided by the reference configuration's figure in a weighted sum."""
FRACTIONS = (
    "accuracy", "balanced_accuracy", "auroc", "f1", "precision", "recall", "macro_f1", "token_accuracy",
    "exact_match", "token_f1", "rouge_l", "bleu", "chrf",
)  # fmt: skip
"""Figures of a model that lie between 0 and 1."""
LOSSES = ("loss", "mean_site_loss", "perplexity", "bits_per_token")
SPREADS = ("accuracy_spread", "f1_spread", "loss_spread", "token_f1_spread")
"""Of a figure over sites: the less, the more alike a model serves them."""
MINIMIZED = frozenset((*COST_METRICS, *LOSSES, *SPREADS))


def usual_direction(metric: str) -> Direction:
    """The direction of `metric` where the study names none."""
    return Direction.MINIMIZE if _has(MINIMIZED, metric) else Direction.MAXIMIZE


def is_fraction(metric: str) -> bool:
    """Whether `metric` lies between 0 and 1."""
    return _has(FRACTIONS, metric)


def _has(metrics: Collection[str], metric: str) -> bool:
    """Whether `metric` is one of `metrics`, or that of a task: `entities_f1` is an f1. See `tasks_schema.of_task`."""
    return metric in metrics or metric.partition("_")[2] in metrics


@dataclass(frozen=True)
class Objective:
    """One metric and which way is better."""

    metric: str
    direction: Direction


class NoReferenceFigure(InvalidInput):
    """A weighted sum needs the reference configuration's figure of `metric`, above zero."""

    code = "no-reference-figure"

    def __init__(self, *, metric: str) -> None:
        super().__init__(f"the reference configuration has no {metric} above zero to compare with", metric=metric)


@dataclass(frozen=True)
class Weighted:
    """Weights by metric; positive, together 1."""

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))
        for metric, weight in self.weights.items():
            if not (isfinite(weight) and weight > 0):
                raise StudyError(("weighted", metric), f"a weight must be above 0, not {weight:g}")
        total = sum(self.weights.values())
        if not isclose(total, 1.0, abs_tol=1e-6):
            raise StudyError(("weighted",), f"the weights must sum to 1, not {total:g}")

    def __hash__(self) -> int:
        return hash(frozenset(self.weights.items()))

    def score(
        self, objectives: Sequence[Objective], values: Mapping[str, float], *, reference: Mapping[str, float]
    ) -> float:
        """One figure, unitless, larger is better.

        Args:
            objectives: the study's, one for each weight; they give the signs.
            values: figures of a configuration by metric, in the metrics' units.
            reference: figures of the reference configuration on the same device class.

        Raises:
            NoReferenceFigure: `reference` lacks a cost that has a weight, or it is not above zero.
            KeyError: `values` lacks a weighted metric; only completed trials have a score.
        """
        return sum(
            objective.direction.sign
            * self.weights[objective.metric]
            * _comparable(objective.metric, values[objective.metric], reference)
            for objective in objectives
        )


def _comparable(metric: str, value: float, reference: Mapping[str, float]) -> float:
    if metric not in COST_METRICS:
        return value
    figure = reference.get(metric, 0.0)
    if not (isfinite(figure) and figure > 0):
        raise NoReferenceFigure(metric=metric)
    return value / figure
