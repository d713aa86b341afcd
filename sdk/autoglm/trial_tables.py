"""A study's trials as text: a line for each, or one in full."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from autoglm.ending import spent_text
from autoglm.results import Result, describe, unit_of
from autoglm.tables import Cell, render_table
from autoglm_core.measurement import Measurement
from autoglm_core.objective import DEVICE_METRICS
from autoglm_core.trial import StageName, StageRecord, Trial

DECISION = "decisions/"


def figures_of(trial: Trial) -> dict[str, Measurement]:
    """By label: the metric where all device classes have the same figure, else `class/metric` for each."""
    labelled: dict[str, Measurement] = {}
    for metric in dict.fromkeys(metric for figures in trial.measurements.values() for metric in figures):
        own = {name: figures[metric] for name, figures in trial.measurements.items() if metric in figures}
        if len(own) == len(trial.measurements) and len(set(own.values())) == 1 and metric not in DEVICE_METRICS:
            labelled[metric] = next(iter(own.values()))
        else:
            labelled |= {f"{name}/{metric}": figure for name, figure in own.items()}
    return labelled


def trials_table(result: Result) -> str:
    """One line for each trial: number, state, how it came about, what it cost, objectives, configuration or error."""
    if not result.trials:
        return "no trials yet"
    figures = {trial.number: figures_of(trial) for trial in result.trials}
    known = sorted({label for labelled in figures.values() for label in labelled})
    labels = [label for metric in result.objectives for label in known if label.rpartition("/")[2] == metric]
    rows: list[Sequence[Cell]] = [
        [
            trial.number,
            str(trial.state),
            None if trial.reason is None else str(trial.reason.how),
            round(sum(stage.seconds for stage in trial.stages if not stage.cached), 1),
            *(figures[trial.number][label].mean if label in figures[trial.number] else None for label in labels),
            _refusal(trial) or describe(trial.configuration),
        ]
        for trial in result.trials
    ]
    return render_table(["trial", "state", "how", "seconds", *labels, "configuration"], rows)


def _refusal(trial: Trial) -> str:
    """Why a trial has no figures; empty where it has, or may still get some."""
    if trial.error is not None:
        return ", ".join(f"{name} {value}" for name, value in trial.error.items())
    if trial.refused_by and not trial.measurements:
        return f"refused by {', '.join(trial.refused_by)}: {describe(trial.configuration)}"
    return ""


def _training(tune: StageRecord) -> str:
    """What local training took, as far as it came."""
    cost = tune.cost
    return "; ".join(
        (
            f"training: {tune.trained} of {tune.total} parameters",
            f"{cost.seconds:.4g} s at all sites together",
            spent_text(cost.joules, modelled=cost.modelled),
            f"at most {cost.memory_mb:.4g} MB at a site, on average over the sites",
        )
    )


def _gradients(tune: StageRecord) -> list[str]:
    """What the gradients said, and how often a controller acted on it; nothing of workloads that do not look."""
    counted, lines = tune.counted, []
    if counted.get("steps"):
        norm, deviation = _mean_and_deviation(counted["steps"], counted["norm_sum"], counted["norm_squared_sum"])
        lines.append(f"gradients: {counted['steps']:.0f} steps, norm {norm:.3g} (standard deviation {deviation:.3g})")
    if counted.get("signal_sum", 0.0) > 0:
        lines[-1] += f", noise scale {counted['noise_sum'] / counted['signal_sum']:.4g} rows"
    if counted.get("curvatures"):
        lines[-1] += f", curvature {counted['curvature_sum'] / counted['curvatures']:.4g}"
    made = {
        name.removeprefix(DECISION): times for name, times in counted.items() if name.startswith(DECISION) and times
    }
    if made:
        lines.append("controller: " + ", ".join(f"{reason} {times:.0f} times" for reason, times in made.items()))
    return lines


def _mean_and_deviation(count: float, total: float, squares: float) -> tuple[float, float]:
    mean = total / count
    return mean, sqrt(max(squares / count - mean**2, 0.0))


def trial_text(trial: Trial) -> str:
    """Everything about one trial."""
    stages: list[Sequence[Cell]] = [
        [str(stage.name), "cached" if stage.cached else "ran", round(stage.seconds, 2), stage.key[:12]]
        for stage in trial.stages
    ]
    figures: list[Sequence[Cell]] = [
        [name, metric, figure.mean, figure.standard_error, figure.count, unit_of(metric), str(figure.provenance)]
        for name, measurements in trial.measurements.items()
        for metric, figure in measurements.items()
    ]
    parts = [f"trial {trial.number}: {trial.state}", describe(trial.configuration)]
    if trial.refused_by:
        parts.append(f"refused by {', '.join(trial.refused_by)}")
    if trial.error is not None:
        parts.append(_refusal(trial))
    if stages:
        parts.append(render_table(["stage", "", "seconds", "key"], stages))
    for stage in trial.stages:
        if stage.name is StageName.TUNE:
            parts += [_training(stage), *_gradients(stage)]
    if figures:
        parts.append(render_table(["class", "metric", "mean", "error", "count", "unit", "provenance"], figures))
    return "\n".join(parts)
