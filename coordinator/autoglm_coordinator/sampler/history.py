"""From stored trials to what a sampler learns.

Several device classes, one search. `bayes` is told the figures of each class (`Observation.classes`) and models them
apart. Optuna's samplers model one value per objective, so for them figures are merged (`Observation.values`): additive
effects on the natural scale of the metric, which is the logarithm for costs (latency, energy, memory, size: a class
that is three times slower is so for every variant) and the plain value for all others. The merged figure of a trial is
its mean over the classes after each class's own offset is taken off; offsets sum to nothing over trials that all
classes measured, so for these a cost is the geometric mean over classes, and a trial that one class refused or did not
measure is not taken for a faster one. Rejected: one objective per class and metric (the hypervolume of 6 to 12
objectives tells nothing), and the worst class (which hides all others).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from autoglm_coordinator.sampler.trial_costs import cost_of
from autoglm_coordinator.trials.feasible import classes_that_refuse
from autoglm_core.measurement import Measurement
from autoglm_core.objective import COST_METRICS
from autoglm_core.trial import AT_A_RUNG, Observation, StageName, Trial, TrialState

if TYPE_CHECKING:
    from autoglm_core.configuration import Configuration
    from autoglm_core.study import Study


@dataclass(frozen=True)
class History:
    """All that a sampler is told, both in order of trial number.

    `completed`: final trials as observations, and those that run and were at a rung. `pending`: all that run or will.
    """

    completed: tuple[Observation, ...]
    pending: tuple[Configuration, ...]


def history_of(study: Study, trials: Sequence[Trial]) -> History:
    """What the study's trials teach."""
    ordered = sorted(trials, key=lambda trial: trial.number)
    taught = [_with_numbers(trial) for trial in ordered if trial.state.final or _fidelity(trial)]
    judged = [_judge(study, trial) for trial in taught]
    merged = merge_classes([judgement.figures for judgement in judged])
    completed = tuple(
        Observation(
            trial.configuration,
            values,
            _fidelity(trial),
            judgement.state,
            classes=trial.measurements,
            refused_by=judgement.refused_by,
            cost=cost_of(trial),
        )
        for trial, values, judgement in zip(taught, merged, judged, strict=True)
    )
    return History(completed, tuple(trial.configuration for trial in ordered if not trial.state.final))


def _with_numbers(trial: Trial) -> Trial:
    """The trial without figures that are no numbers, as a loss that went to infinity: they are missing, not bad."""
    measurements = {
        name: {metric: figure for metric, figure in entry.items() if _is_number(figure)}
        for name, entry in trial.measurements.items()
    }
    return trial if measurements == trial.measurements else replace(trial, measurements=measurements)


def _is_number(figure: Measurement) -> bool:
    return math.isfinite(figure.mean) and math.isfinite(figure.standard_error)


Figures = Mapping[str, Mapping[str, Measurement]]
"""By device class, then by metric."""


@dataclass(frozen=True)
class _Judgement:
    """`figures` that are merged: of the classes that accept the trial, or of all where none does."""

    figures: Figures
    state: TrialState
    refused_by: tuple[str, ...]


def _judge(study: Study, trial: Trial) -> _Judgement:
    """A trial that every class refuses is infeasible."""
    known = trial.measurements
    if trial.state in AT_A_RUNG:
        # What it reached so far says nothing of where it would have ended; its costs are final.
        known = {name: {m: v for m, v in entry.items() if m in COST_METRICS} for name, entry in known.items()}
    refused = tuple(sorted({*trial.refused_by, *classes_that_refuse(study, trial.configuration, known)}))
    accepted = {name: figures for name, figures in trial.measurements.items() if name not in refused}
    none_accepts = bool(trial.measurements) and not accepted and trial.state is not TrialState.FAILED
    if trial.state is TrialState.INFEASIBLE or none_accepts:
        return _Judgement(trial.measurements, TrialState.INFEASIBLE, refused)
    return _Judgement(accepted, trial.state, refused)


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
