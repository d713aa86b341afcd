"""A study's trials as an Optuna study for each device class, for tools that read Optuna's.

Trial n is Optuna's number n - 1. Values are in the metrics' own units. Complete: what has all objectives' figures on
the class; where they broke a constraint, Optuna knows it by the constraint, of which it wants a value that is at most
0 where it holds. Pruned: what the scheduler stopped, what PROBE refused before it was trained, and what cannot be
compared with the others (see `comparable_trials`). Tied parameters follow from others and are left out.
"""

# mypy: disable-error-code="misc"
# Optuna ships no types that mypy follows here, so its classes are Any and cannot be checked as bases.

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import TrialState as OptunaState

from autoglm_coordinator.report.fronts import comparable_trials, device_classes
from autoglm_coordinator.report.goal_figures import goal_directions, goal_figures
from autoglm_coordinator.report.mirror_values import distribution_of, excesses, optuna_value
from autoglm_coordinator.sampler.quiet import quiet
from autoglm_core.canonical import Json
from autoglm_core.parameter import TiedParameter
from autoglm_core.trial import Trial, TrialState

if TYPE_CHECKING:
    from autoglm_core.study import Study

STATES = {
    TrialState.PENDING: OptunaState.WAITING,
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.COMPLETED: OptunaState.PRUNED,
    TrialState.STOPPED: OptunaState.PRUNED,
    TrialState.INFEASIBLE: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}
"""Of a trial that has no values."""


class Journal(BaseJournalBackend):
    """Optuna's journal, kept in memory. A database was rejected: it takes some ten milliseconds for each trial."""

    def __init__(self) -> None:
        self._logs: list[Json] = []

    def append_logs(self, logs: list[Json]) -> None:
        """Add to the end."""
        self._logs += logs

    def read_logs(self, log_number_from: int) -> Iterator[Json]:
        """From that one on."""
        return iter(self._logs[log_number_from:])

    def encode(self) -> bytes:
        """As Optuna's `JournalFileBackend` reads it."""
        return b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in self._logs)


def optuna_journal(study: Study, study_id: str, trials: Sequence[Trial], *, created: datetime) -> bytes:
    """A journal file with one Optuna study for each device class, named `STUDY/CLASS`."""
    journal = Journal()
    with quiet():
        storage = optuna.storages.JournalStorage(journal)
        for name in device_classes(study, trials):
            mirror(study, f"{study_id}/{name}", trials, name, storage=storage, created=created)
    return journal.encode()


def mirror(
    study: Study, name: str, trials: Sequence[Trial], device_class: str, *, created: datetime, storage: Any = None
) -> Any:
    """The trials of one device class as an `optuna.Study`, in memory unless there is a `storage`."""
    directions = goal_directions(study)
    mirrored = optuna.create_study(
        study_name=name, storage=storage, directions=[str(direction) for direction in directions.values()]
    )
    mirrored.set_metric_names(list(directions))
    mirrored.set_user_attr("study", study.name)
    mirrored.set_user_attr("hash", f"sha256:{study.hash}")
    mirrored.set_user_attr("device_class", device_class)
    mirrored.set_user_attr("sampler", study.sampler.name)
    ordered = sorted(trials, key=lambda trial: trial.number)
    values = _values(study, ordered, device_class)
    for trial in ordered:
        mirrored.add_trial(_trial(study, trial, device_class, values.get(trial.number), created=created))
    return mirrored


def _values(study: Study, trials: Sequence[Trial], device_class: str) -> dict[int, list[float]]:
    """By trial number: of what is comparable, once constraints are left aside."""
    compared = comparable_trials(study, trials, device_class, feasible=False)
    rows = goal_figures(study, compared, device_class).tolist()
    return {trial.number: row for trial, row in zip(compared, rows, strict=True)}


def _trial(study: Study, trial: Trial, device_class: str, values: list[float] | None, *, created: datetime) -> Any:
    state = STATES[trial.state] if values is None else OptunaState.COMPLETE
    chosen = {**trial.configuration.tune, **trial.configuration.deploy}
    free = [
        parameter
        for parameter in (*study.space.tune, *study.space.deploy)
        if parameter.name in chosen and not isinstance(parameter, TiedParameter)
    ]
    mirrored = optuna.trial.create_trial(
        state=state,
        values=values,
        params={parameter.name: optuna_value(parameter, chosen[parameter.name]) for parameter in free},
        distributions={parameter.name: distribution_of(parameter) for parameter in free},
        user_attrs=_attributes(trial, device_class),
        constraints=excesses(study, trial, device_class),
    )
    # When a trial began is not kept, only how long it took.
    seconds = sum(stage.seconds for stage in trial.stages if not stage.cached)
    start = created.astimezone(UTC).replace(tzinfo=None)
    mirrored.datetime_start = None if state is OptunaState.WAITING else start
    mirrored.datetime_complete = start + timedelta(seconds=seconds) if state.is_finished() else None
    return mirrored


def _attributes(trial: Trial, device_class: str) -> Json:
    attributes: Json = {"trial": trial.number, "state": str(trial.state)}
    if trial.reason is not None:
        attributes["how"] = str(trial.reason.how)
    if trial.refused_by:
        attributes["refused_by"] = list(trial.refused_by)
    if trial.error is not None:
        attributes["error"] = trial.error
    figures = trial.measurements.get(device_class, {})
    return attributes | {metric: figure.mean for metric, figure in figures.items() if math.isfinite(figure.mean)}
