"""From stored trials to what a sampler learns.

Several device classes, one search. A study has one front per class, yet a sampler models one value per objective, so
figures are merged: additive effects on the natural scale of the metric, which is the logarithm for costs (latency,
energy, memory, size: a class that is three times slower is so for every variant) and the plain value for all others.
The merged figure of a trial is its mean over the classes after each class's own offset is taken off; offsets sum to
nothing over trials that all classes measured, so for these a cost is the geometric mean over classes, and a trial that
one class refused or did not measure is not taken for a faster one. Rejected: one objective per class and metric (the
hypervolume of 6 to 12 objectives tells nothing), and the worst class (which hides all others).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from autoglm_coordinator.trials.feasible import classes_that_refuse
from autoglm_core.measurement import Measurement
from autoglm_core.objective import COST_METRICS
from autoglm_core.trial import Observation, StageName, Trial, TrialState

if TYPE_CHECKING:
    from autoglm_core.configuration import Configuration
    from autoglm_core.study import Study


@dataclass(frozen=True)
class History:
    """All that a sampler is told: final trials as observations, and the rest, both in order of trial number."""

    completed: tuple[Observation, ...]
    pending: tuple[Configuration, ...]


def history_of(study: Study, trials: Sequence[Trial]) -> History:
    """What the study's trials teach."""
    ordered = sorted(trials, key=lambda trial: trial.number)
    final = [trial for trial in ordered if trial.state.final]
    judged = [_judge(study, trial) for trial in final]
    merged = merge_classes([figures for figures, _ in judged])
    completed = tuple(
        Observation(trial.configuration, values, _fidelity(trial), state)
        for trial, values, (_, state) in zip(final, merged, judged, strict=True)
    )
    return History(completed, tuple(trial.configuration for trial in ordered if not trial.state.final))


Figures = Mapping[str, Mapping[str, Measurement]]
"""By device class, then by metric."""


def _judge(study: Study, trial: Trial) -> tuple[Figures, TrialState]:
    """The figures of the classes that accept the trial, and its state, infeasible where none does."""
    refused = {*trial.refused_by, *classes_that_refuse(study, trial.configuration, trial.measurements)}
    accepted = {name: figures for name, figures in trial.measurements.items() if name not in refused}
    if trial.state is TrialState.INFEASIBLE or (
        trial.measurements and not accepted and trial.state is not TrialState.FAILED
    ):
        return trial.measurements, TrialState.INFEASIBLE
    return accepted, trial.state


def _fidelity(trial: Trial) -> int:
    return max((stage.rounds for stage in trial.stages if stage.name is StageName.TUNE), default=0)


def merge_classes(trials: Sequence[Figures]) -> list[dict[str, Measurement]]:
    """One measurement per metric for each trial; a metric that no class has is left out."""
    metrics = sorted({metric for figures in trials for entry in figures.values() for metric in entry})
    merged: list[dict[str, Measurement]] = [{} for _ in trials]
    for metric in metrics:
        rows = [{name: entry[metric] for name, entry in figures.items() if metric in entry} for figures in trials]
        logarithmic = metric in COST_METRICS and all(figure.mean > 0 for row in rows for figure in row.values())
        for values, measurement in zip(merged, _merge(rows, logarithmic=logarithmic), strict=True):
            if measurement is not None:
                values[metric] = measurement
    return merged


def _merge(rows: Sequence[Mapping[str, Measurement]], *, logarithmic: bool) -> list[Measurement | None]:
    def scaled(figure: Measurement) -> float:
        return math.log(figure.mean) if logarithmic else figure.mean

    values = [{name: scaled(figure) for name, figure in row.items()} for row in rows]
    offsets = _offsets(values)
    merged: list[Measurement | None] = []
    for row, value in zip(rows, values, strict=True):
        if not row:
            merged.append(None)
            continue
        level = fmean(value[name] - offsets[name] for name in value)
        merged.append(_measurement(row, math.exp(level) if logarithmic else level, logarithmic=logarithmic))
    return merged


def _offsets(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each class's offset from the mean of all, over the trials that most classes measured."""
    classes = sorted({name for row in rows for name in row})
    whole = [row for row in rows if len(row) == len(classes)]
    if whole:
        centres = {name: fmean(row[name] for row in whole) for name in classes}
    else:
        centres = {name: fmean(row[name] for row in rows if name in row) for name in classes}
    middle = fmean(centres.values()) if centres else 0.0
    return {name: centre - middle for name, centre in centres.items()}


def _measurement(row: Mapping[str, Measurement], mean: float, *, logarithmic: bool) -> Measurement:
    figures = list(row.values())
    first = figures[0]
    if logarithmic:
        # Devices err independently; a factor's relative error is its error on the log scale.
        error = (
            mean * math.sqrt(math.fsum((figure.standard_error / figure.mean) ** 2 for figure in figures)) / len(figures)
        )
        count = sum(figure.count for figure in figures)
    else:
        # The same validation rows stand behind every class: nothing is gained by counting them again.
        error = fmean(figure.standard_error for figure in figures)
        count = max(figure.count for figure in figures)
    return Measurement(mean, error, count, first.provenance, first.split)
