"""`result.json` as a user reads it, and its fronts as text; see `trial_tables` for its trials.

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
from autoglm_core.configuration import BadConfiguration, Configuration, Value
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
class Growth:
    """How a front grew: `steps` of (trial, share) of the box between `reference` and the best figures."""

    reference: Mapping[str, float]
    steps: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Result:
    """A study's outcome so far. `source` is the file's content, unchanged.

    `study_joules`: of training at all sites, of which no meter measured `study_modelled_joules`.
    `objectives`: their metrics. `ranks`: by trial, then device class; 1 is the Pareto front. `growth`: by device class.
    """

    study_id: str
    sampler: str
    stopped: str | None
    study_seconds: float | None
    study_bytes: int | None
    study_joules: float
    study_modelled_joules: float
    objectives: tuple[str, ...]
    trials: tuple[Trial, ...]
    fronts: Mapping[str, tuple[FrontPoint, ...]]
    ranks: Mapping[int, Mapping[str, int]]
    growth: Mapping[str, Growth]
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
                sampler=str(value["study"]["sampler"]),
                stopped=value.get("stopped"),
                study_seconds=value.get("study_seconds"),
                study_bytes=value.get("study_bytes"),
                study_joules=value.get("study_joules", 0.0),
                study_modelled_joules=value.get("study_modelled_joules", 0.0),
                objectives=tuple(str(objective["name"]) for objective in value["objectives"]),
                trials=tuple(Trial.from_json(trial) for trial in value["trials"]),
                fronts={name: tuple(map(_front_point, points)) for name, points in value["fronts"].items()},
                ranks={int(trial["id"]): _ranks(trial.get("ranks", {})) for trial in value["trials"]},
                growth={name: _growth(grown) for name, grown in value["hypervolume"].items()},
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


def _ranks(value: Json) -> dict[str, int]:
    return {str(name): int(rank) for name, rank in value.items()}


def _growth(value: Json) -> Growth:
    return Growth(
        reference={str(name): float(figure) for name, figure in value["reference"].items()},
        steps=tuple((int(step["trial"]), float(step["share"])) for step in value["steps"]),
    )


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def front_table(result: Result, device_class: str) -> str:
    """One line for each pick of the front: figures first, then the configuration that made them."""
    points = result.front(device_class)
    if not points:
        return "empty: no completed trial was feasible on this class"
    metrics = list(dict.fromkeys(name for point in points for name in point.figures))
    rows: list[Sequence[Cell]] = [
        [point.trial, *(point.figures.get(name) for name in metrics), describe(result.trial(point.trial).configuration)]
        for point in points
    ]
    return render_table(["trial", *metrics, "configuration"], rows)


def fronts_text(result: Result) -> str:
    """Every front under its device class."""
    return "\n\n".join(f"front on {name}\n{front_table(result, name)}" for name in sorted(result.fronts))


def describe(configuration: Configuration) -> str:
    """Each parameter with its value, on one line."""
    values = {**configuration.tune, **configuration.deploy}
    return " ".join(f"{name}={format_cell(_plain(value))}" for name, value in values.items())


def _plain(value: Value) -> Cell:
    return str(value).lower() if isinstance(value, bool) else value
