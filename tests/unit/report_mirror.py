"""The trials as Optuna's studies, and what they say about the parameters."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState as OptunaState

from autoglm_coordinator.report.fronts import comparable_trials
from autoglm_coordinator.report.importance import FEWEST, importances
from autoglm_coordinator.report.mirror import optuna_journal
from autoglm_coordinator.report.tasks import TABLE
from autoglm_core.configuration import Configuration, Value
from autoglm_core.constraint import Constraint
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import Direction, Objective
from autoglm_core.reason import How, Reason
from autoglm_core.space import CategoricalParameter, FloatParameter, SearchSpace
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState
from support.search_trials import ACCURACY, LATENCY, measured, search, searched_study, validated

MIXED: tuple[Value, ...] = (1, 1.0, True, "1")
CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def opened(study: Study, trials: list[Trial], folder: Path) -> dict[str, Any]:
    """By device class, as someone reads it who has the file and Optuna alone."""
    path = folder / "journal.log"
    path.write_bytes(optuna_journal(study, "searched-7f3a", trials, created=CREATED))
    storage = JournalStorage(JournalFileBackend(str(path)))
    names = [entry.study_name for entry in optuna.get_all_study_summaries(storage)]
    return {name.rpartition("/")[2]: optuna.load_study(study_name=name, storage=storage) for name in names}


def test_optuna_reads_every_trial_with_its_state_values_and_attributes(tmp_path: Path) -> None:
    study = searched_study("random")
    trials = search(study, total=24)
    done = [trial for trial in trials if trial.state is TrialState.COMPLETED]
    infeasible = next(trial for trial in trials if trial.state is TrialState.INFEASIBLE)
    changed = {
        done[0].number: replace(done[0], reason=Reason(How.MODEL)),
        done[1].number: replace(done[1], state=TrialState.FAILED, measurements={}, error={"code": "out-of-memory"}),
        done[2].number: replace(done[2], state=TrialState.STOPPED),
        done[3].number: Trial(done[3].number, done[3].configuration),
        done[4].number: replace(done[4], state=TrialState.RUNNING),
    }
    studies = opened(study, [changed.get(trial.number, trial) for trial in reversed(trials)], tmp_path)
    assert list(studies) == ["one-core", "two-core"]
    mirrored = studies["two-core"]
    assert [direction.name for direction in mirrored.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert mirrored.metric_names == ["accuracy", "latency_p95_ms", "energy_mj"]
    by_number = {entry.user_attrs["trial"]: entry for entry in mirrored.trials}
    assert [entry.user_attrs["trial"] for entry in mirrored.trials] == [trial.number for trial in trials]
    states = [by_number[trial.number].state for trial in done[:6]]
    expected = "COMPLETE FAIL PRUNED WAITING RUNNING COMPLETE".split()
    assert [state.name for state in states] == expected
    first = by_number[done[0].number]
    figures = done[0].measurements["two-core"]
    assert first.values == [figures[goal.metric].mean for goal in study.objectives]
    assert first.user_attrs["how"] == "model"
    assert first.duration == timedelta(seconds=2.1)
    for name, value in first.params.items():
        assert value == {**done[0].configuration.tune, **done[0].configuration.deploy}[name]
    assert "export_batch" not in first.params
    refused = by_number[infeasible.number]
    assert (refused.state, refused.user_attrs["refused_by"]) == (OptunaState.PRUNED, ["one-core", "two-core"])
    assert refused.constraints["size_mb <= 0.25"] == pytest.approx(refused.user_attrs["size_mb"] - 0.25)
    assert refused.constraints["size_mb <= 0.25"] > 0 > first.constraints["size_mb <= 0.25"]
    assert by_number[done[1].number].user_attrs["error"] == {"code": "out-of-memory"}


def test_the_front_that_optuna_finds_is_ours(tmp_path: Path) -> None:
    study = replace(searched_study("random"), constraints=(Constraint("accuracy >= 0.8"), Constraint("prune <= 0.5")))
    trials = search(study, total=48)
    compared = {trial.number for trial in comparable_trials(study, trials, "one-core")}
    assert 0 < len(compared) < 48
    mirrored = opened(study, trials, tmp_path)["one-core"]
    assert {entry.user_attrs["trial"] for entry in mirrored.best_trials} <= compared
    complete = {entry.user_attrs["trial"] for entry in mirrored.trials if entry.state is OptunaState.COMPLETE}
    feasible = {
        entry.user_attrs["trial"]
        for entry in mirrored.trials
        if entry.state is OptunaState.COMPLETE and all(excess <= 0 for excess in entry.constraints.values())
    }
    assert complete > feasible == compared


def test_choices_that_optuna_takes_for_one_are_told_apart(tmp_path: Path) -> None:
    space = SearchSpace(tune=(CategoricalParameter("mixed", MIXED),))
    study = searched_study("random", space=space, objectives=(ACCURACY,), constraints=())
    trials = [
        Trial(number, Configuration({"mixed": value}), TrialState.COMPLETED, (), {"pi5": {"accuracy": validated(0.9)}})
        for number, value in enumerate(MIXED, start=1)
    ]
    values = [entry.params["mixed"] for entry in opened(study, trials, tmp_path)["pi5"].trials]
    assert len(set(values)) == 4


def test_figures_of_another_provenance_are_not_values(tmp_path: Path) -> None:
    study = searched_study("random", objectives=(ACCURACY, LATENCY), constraints=())
    trials = search(study, total=6)
    figures = trials[0].measurements
    modelled = {
        name: {**entry, "latency_p95_ms": replace(entry["latency_p95_ms"], provenance=Provenance.MODELLED)}
        for name, entry in figures.items()
    }
    trials[0] = replace(trials[0], state=TrialState.COMPLETED, measurements=modelled)
    first, *others = opened(study, trials, tmp_path)["one-core"].trials
    assert first.state is OptunaState.PRUNED
    assert OptunaState.COMPLETE in [entry.state for entry in others]


@pytest.mark.parametrize("weighted", [None, {"accuracy": 0.6, "latency_p95_ms": 0.3, "energy_mj": 0.1}])
def test_what_decides_the_figures_is_found_important(weighted: dict[str, float] | None) -> None:
    study = searched_study("random", weighted=weighted)
    told = importances(study, search(study, total=160))
    shares = told["classes"]["one-core"]["importance"]
    for column in shares.values():
        assert sum(column.values()) == pytest.approx(1, abs=1e-3)
        assert "export_batch" not in column
    if weighted is not None:
        assert list(shares) == ["weighted"]
        return
    assert list(shares) == ["accuracy", "latency_p95_ms", "energy_mj", "front"]
    assert shares["latency_p95_ms"]["prune"] > 0.3
    assert shares["accuracy"]["learning_rate"] > 3 * shares["latency_p95_ms"]["learning_rate"]


def test_what_matters_is_what_the_best_have_in_common_whichever_way_is_better() -> None:
    space = SearchSpace(tune=(FloatParameter("x", 0.0, 1.0), FloatParameter("y", 0.0, 1.0)))
    study = searched_study("random", space=space, objectives=(ACCURACY, LATENCY), constraints=())

    def trial(number: int, x: float, y: float) -> Trial:
        # Small x is quick whatever y is, large y is slow; large y is accurate whatever x is, small x is not.
        latency, accuracy = (x if x < 0.3 else 1 + y), (y if y > 0.7 else x - 1)
        figures = {"accuracy": validated(accuracy), "latency_p95_ms": measured(1 + latency)}
        return Trial(number, Configuration({"x": x, "y": y}), TrialState.COMPLETED, (), {"one-core": figures})

    points = np.random.default_rng(0).random((120, 2)).tolist()
    trials = [trial(number, x, y) for number, (x, y) in enumerate(points, start=1)]
    shares = importances(study, trials)["classes"]["one-core"]["importance"]
    assert shares["latency_p95_ms"]["x"] > 0.7
    assert shares["accuracy"]["y"] > 0.7


def test_nothing_is_said_of_few_trials_or_of_an_objective_that_never_changes() -> None:
    space = SearchSpace(tune=(FloatParameter("x", 0.0, 1.0), FloatParameter("y", 0.0, 1.0)))
    study = searched_study("random", space=space, objectives=(ACCURACY, LATENCY), constraints=())

    def trial(number: int) -> Trial:
        x = number / 40
        figures = {"accuracy": validated(0.9), "latency_p95_ms": measured(1.0 + x)}
        configuration = Configuration({"x": x, "y": (number * 7 % 40) / 40})
        return Trial(number, configuration, TrialState.COMPLETED, (), {"one-core": figures})

    trials = [trial(number) for number in range(1, 40)]
    told = importances(study, trials)["classes"]
    assert told["two-core"] == {"trials": 0, "importance": {}}
    assert told["one-core"]["importance"]["accuracy"] == {}
    latency = told["one-core"]["importance"]["latency_p95_ms"]
    assert latency["x"] > latency["y"]
    few = importances(study, trials[: FEWEST - 1])["classes"]["one-core"]
    assert few == {"trials": FEWEST - 1, "importance": {}}


def test_many_objectives_and_no_trials_are_no_defect(tmp_path: Path) -> None:
    goals = tuple(Objective(f"m{number}", Direction.MAXIMIZE) for number in range(50))
    study = searched_study("random", objectives=goals, constraints=())
    assert [len(entry.trials) for entry in opened(study, [], tmp_path).values()] == [0, 0]
    assert importances(study, [])["classes"]["one-core"] == {"trials": 0, "importance": {}}

    def figures(number: int) -> dict[str, Measurement]:
        return {goal.metric: validated((number * (3 + index)) % 97) for index, goal in enumerate(goals)}

    trials = [
        replace(
            entry,
            state=TrialState.COMPLETED,
            refused_by=(),
            measurements={"one-core": figures(entry.number)},
        )
        for entry in search(searched_study("random"), total=24)
    ]
    assert len(importances(study, trials)["classes"]["one-core"]["importance"]) == 51


def test_the_child_tasks_are_these_functions_over_json() -> None:
    study = searched_study("random")
    trials = search(study, total=40)
    meta = json.loads(
        json.dumps(
            {
                "study": study.to_json(),
                "study_id": "searched-7f3a",
                "trials": [trial.to_json() for trial in trials],
                "created": CREATED.isoformat(),
            }
        )
    )
    assert TABLE["importance"](meta, []) == (importances(study, trials), [])
    answer, (journal,) = TABLE["optuna-journal"](meta, [])
    assert answer == {}
    assert journal.count(b"\n") == optuna_journal(study, "searched-7f3a", trials, created=CREATED).count(b"\n")
