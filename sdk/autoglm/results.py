"""`result.json` as a user reads it: the fronts, the trials, one trial in full.

The coordinator writes the file; nothing is computed again here, so that what is printed is what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoglm.errors import UnknownFront, UnknownTrial, UnreadableResult
from autoglm.tables import Cell, format_cell, render_table
from autoglm_core.canonical import Json
from autoglm_core.configuration import BadConfiguration, Value
from autoglm_core.trial import Trial

FORMAT = 1
_ANOTHER_FORM = (*(BadConfiguration, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),)
UNITS = {"_ms": "ms", "_mj": "mJ", "_mb": "MB"}


def unit_of(metric: str) -> str:
    """The unit of a metric's figures; empty for shares and counts."""
    return next((unit for suffix, unit in UNITS.items() if metric.endswith(suffix)), "")


@dataclass(frozen=True)
class FrontPoint:
    """A pick: its `trial` and its `figures` by metric; `test_` ones were taken once, on rows no choice has seen."""

    trial: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """A study's outcome so far. `source` is the file's content, unchanged."""

    study_id: str
    stopped: str | None
    study_seconds: float | None
    trials: tuple[Trial, ...]
    fronts: Mapping[str, tuple[FrontPoint, ...]]
    source: bytes

    @classmethod
    def parse(cls, source: bytes) -> Result:
        """Read the bytes of a `result.json`.

        Raises:
            UnreadableResult: of another format, or damaged.
        """
        try:
            value: Json = json.loads(source)
            if value["format"] != FORMAT:
                raise UnreadableResult(reason=f"format {value['format']}, and this version reads {FORMAT}")
            return cls(
                study_id=value["study"]["id"],
                stopped=value.get("stopped"),
                study_seconds=value.get("study_seconds"),
                trials=tuple(Trial.from_json(trial) for trial in value["trials"]),
                fronts={name: tuple(map(_front_point, points)) for name, points in value["fronts"].items()},
                source=source,
            )
        except _ANOTHER_FORM as error:
            raise UnreadableResult(reason=f"{type(error).__name__} at {str(error)[:100]}") from error

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read a file."""
        return cls.parse(path.read_bytes())

    def trial(self, number: int) -> Trial:
        """The trial of that number, or `UnknownTrial`."""
        for trial in self.trials:
            if trial.number == number:
                return trial
        raise UnknownTrial(trial=number, count=len(self.trials))

    def front(self, device_class: str) -> tuple[FrontPoint, ...]:
        """The front of a device class, or `UnknownFront`."""
        if device_class not in self.fronts:
            raise UnknownFront(device_class=device_class, known=", ".join(sorted(self.fronts)) or "none")
        return self.fronts[device_class]


def _front_point(value: Json) -> FrontPoint:
    figures = {name: float(figure) for name, figure in value.items() if name != "trial" and _is_figure(figure)}
    return FrontPoint(trial=int(value["trial"]), figures=figures)


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def front_table(result: Result, device_class: str) -> str:
    """One line for each pick of the front: figures first, then the configuration that made them."""
    points = result.front(device_class)
    if not points:
        return "empty: no completed trial was feasible on this class"
    metrics = list(dict.fromkeys(name for point in points for name in point.figures))
    rows: list[Sequence[Cell]] = [
        [point.trial, *(point.figures.get(name) for name in metrics), _describe(result.trial(point.trial))]
        for point in points
    ]
    return render_table(["trial", *metrics, "configuration"], rows)


def fronts_text(result: Result) -> str:
    """Every front under its device class."""
    return "\n\n".join(f"front on {name}\n{front_table(result, name)}" for name in sorted(result.fronts))


def _describe(trial: Trial) -> str:
    values = {**trial.configuration.tune, **trial.configuration.deploy}
    return " ".join(f"{name}={format_cell(_plain(value))}" for name, value in values.items())


def _plain(value: Value) -> Cell:
    return str(value).lower() if isinstance(value, bool) else value


def trials_table(result: Result) -> str:
    """One line for each trial: number, state, what it cost, configuration or error."""
    rows: list[Sequence[Cell]] = [
        [
            trial.number,
            str(trial.state),
            round(sum(stage.seconds for stage in trial.stages if not stage.cached), 1),
            _refusal(trial) or _describe(trial),
        ]
        for trial in result.trials
    ]
    return render_table(["trial", "state", "seconds", "configuration"], rows) if rows else "no trials yet"


def _refusal(trial: Trial) -> str:
    """Why a trial has no figures; empty where it has, or may still get some."""
    if trial.error is not None:
        return ", ".join(f"{name} {value}" for name, value in trial.error.items())
    if trial.refused_by and not trial.measurements:
        return f"refused by {', '.join(trial.refused_by)}: {_describe(trial)}"
    return ""


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
    parts = [f"trial {trial.number}: {trial.state}", _describe(trial)]
    if trial.refused_by:
        parts.append(f"refused by {', '.join(trial.refused_by)}")
    if trial.error is not None:
        parts.append(_refusal(trial))
    if stages:
        parts.append(render_table(["stage", "", "seconds", "key"], stages))
    if figures:
        parts.append(render_table(["class", "metric", "mean", "error", "count", "unit", "provenance"], figures))
    return "\n".join(parts)
