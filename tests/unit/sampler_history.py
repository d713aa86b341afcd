"""What a sampler is told of trials, and what it makes of several device classes and of a weighted sum."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from autoglm_coordinator.sampler.goals import goals_of
from autoglm_coordinator.sampler.history import history_of, merge_classes
from autoglm_core.configuration import Configuration, Value
from autoglm_core.study import Study
from autoglm_core.trial import Observation, StageName, StageRecord, Trial, TrialState
from support.search_trials import ACCURACY, LATENCY, completed, measured, searched_study, suggest, validated


def configuration(width: int, **deploy: float | str | int) -> Configuration:
    tune: dict[str, Value] = {
        "learning_rate": 2e-2,
        "batch_size": 16,
        "local_epochs": 1,
        "width": width,
        "aggregator": "fedavg",
    }
    return Configuration(tune, {"prune": 0.0, "quantization": "none", "threads": 1, "export_batch": 16, **deploy})


def test_a_cost_measured_on_all_classes_is_their_geometric_mean() -> None:
    merged = merge_classes([{"a": {"latency_p95_ms": measured(2.0)}, "b": {"latency_p95_ms": measured(8.0)}}])
    assert merged[0]["latency_p95_ms"].mean == pytest.approx(4.0)
    assert merged[0]["latency_p95_ms"].standard_error == pytest.approx(4.0 * 0.02 * math.sqrt(2) / 2)


def test_a_class_that_is_missing_makes_nothing_faster() -> None:
    def both(latency: float) -> dict[str, dict[str, object]]:
        return {"fast": {"latency_p95_ms": measured(latency)}, "slow": {"latency_p95_ms": measured(10 * latency)}}

    whole = [both(1.0), both(2.0), both(3.0)]
    only_fast = {"fast": {"latency_p95_ms": measured(2.0)}}
    merged = merge_classes([*whole, only_fast])  # type: ignore[list-item]
    assert merged[3]["latency_p95_ms"].mean == pytest.approx(merged[1]["latency_p95_ms"].mean)


def test_accuracy_is_shared_and_not_counted_twice() -> None:
    merged = merge_classes([{"a": {"accuracy": validated(0.9)}, "b": {"accuracy": validated(0.9)}}])
    assert merged[0]["accuracy"] == validated(0.9)


def test_a_class_that_refuses_does_not_speak_for_the_trial() -> None:
    study, trial = searched_study(), completed(1, configuration(16, threads=2))
    refused = replace(trial, refused_by=("one-core",))
    observation = history_of(study, [refused]).completed[0]
    assert observation.state is TrialState.COMPLETED
    accepted = trial.measurements["two-core"]["latency_p95_ms"].mean
    assert observation.values["latency_p95_ms"].mean == pytest.approx(accepted)


def test_an_outcome_that_breaks_a_constraint_on_every_class_is_infeasible() -> None:
    study, trial = searched_study(constraints=("accuracy >= 0.99",)), completed(1, configuration(16))
    assert history_of(study, [trial]).completed[0].state is TrialState.INFEASIBLE


def test_figures_of_every_class_are_told_and_who_refuses() -> None:
    study = searched_study(constraints=("latency_p95_ms <= 0.04",))
    trial = completed(1, configuration(16, threads=2))
    (observation,) = history_of(study, [trial]).completed
    assert observation.refused_by == ("one-core",)
    assert observation.classes == trial.measurements
    accepted = trial.measurements["two-core"]["latency_p95_ms"].mean
    assert observation.values["latency_p95_ms"].mean == pytest.approx(accepted)


def test_what_a_stopped_trial_reached_is_not_held_against_it() -> None:
    study = searched_study(constraints=("accuracy >= 0.9",))
    trial = completed(1, configuration(16))
    early = {name: {**figures, "accuracy": validated(0.5)} for name, figures in trial.measurements.items()}
    (observation,) = history_of(study, [replace(trial, state=TrialState.STOPPED, measurements=early)]).completed
    assert (observation.state, observation.refused_by) == (TrialState.STOPPED, ())


def test_observations_stand_in_order_and_carry_their_rounds() -> None:
    study = searched_study()
    trials = [completed(2, configuration(16, threads=2)), completed(1, configuration(16))]
    open_trial = Trial(3, configuration(32), TrialState.RUNNING)
    history = history_of(study, [open_trial, *trials])
    assert [entry.configuration for entry in history.completed] == [trials[1].configuration, trials[0].configuration]
    assert [entry.fidelity for entry in history.completed] == [10, 10]
    assert history.pending == (open_trial.configuration,)


def observed(study: Study, *trials: Trial) -> tuple[Observation, ...]:
    return history_of(study, trials).completed


def test_costs_are_scored_by_ratio_and_accuracy_as_it_is() -> None:
    study = searched_study(objectives=(ACCURACY, LATENCY), constraints=())
    trial = completed(1, configuration(16))
    (entry,) = observed(study, trial)
    (scored,) = goals_of(study).score([entry])
    assert scored.scores == (entry.values["accuracy"].mean, math.log(entry.values["latency_p95_ms"].mean))


def test_infeasible_trials_teach_their_costs_failed_ones_nothing() -> None:
    study = searched_study()
    wide = completed(2, configuration(64))
    assert wide.state is TrialState.INFEASIBLE
    fine = completed(1, configuration(16))
    failed = Trial(3, configuration(32), TrialState.FAILED)
    untouched = Trial(4, configuration(32, threads=2), TrialState.STOPPED)
    scored = goals_of(study).score(observed(study, fine, wide, failed, untouched))
    assert [entry.feasible for entry in scored] == [True, False]
    assert scored[1].scores[0] == scored[0].scores[0]
    assert scored[1].scores[1] > scored[0].scores[1]


def test_a_stopped_trial_counts_with_what_it_reached() -> None:
    study = searched_study()
    fine = completed(1, configuration(16))
    rounds = StageRecord(StageName.TUNE, "2" * 64, cached=False, seconds=1.0, rounds=4)
    early = {
        name: {**figures, "accuracy": validated(0.4)}
        for name, figures in completed(2, configuration(32)).measurements.items()
    }
    stopped = Trial(2, configuration(32), TrialState.STOPPED, (rounds,), early)
    scored = goals_of(study).score(observed(study, fine, stopped))
    assert scored[1].scores[0] == 0.4


def test_a_weighted_sum_counts_costs_against_the_reference() -> None:
    study = searched_study(weighted={"accuracy": 0.6, "latency_p95_ms": 0.4}, objectives=(ACCURACY, LATENCY))
    reference = completed(1, study.reference_configuration)
    faster = completed(
        2, Configuration(study.reference_configuration.tune, {**reference.configuration.deploy, "prune": 0.3})
    )
    one, two = observed(study, reference, faster)
    goals = goals_of(study)
    scored = goals.score([one, two])
    ratio = two.values["latency_p95_ms"].mean / one.values["latency_p95_ms"].mean
    assert scored[0].scores[0] == pytest.approx(0.6 * one.values["accuracy"].mean - 0.4)
    assert scored[1].scores[0] == pytest.approx(0.6 * two.values["accuracy"].mean - 0.4 * ratio)
    assert len(goals.directions) == 1


def test_a_trial_that_pauses_at_a_rung_teaches_and_stays_pending() -> None:
    study, trial = searched_study(constraints=("accuracy >= 0.99",)), completed(1, configuration(16))
    at_rung = replace(trial.stages[1], rounds=3)
    paused = replace(trial, state=TrialState.RUNNING, stages=(trial.stages[0], at_rung))
    not_begun = replace(completed(2, configuration(32)), state=TrialState.RUNNING, stages=trial.stages[:1])
    history = history_of(study, [paused, not_begun])
    assert [(entry.state, entry.fidelity) for entry in history.completed] == [(TrialState.RUNNING, 3)]
    assert history.completed[0].values["accuracy"] == trial.measurements["one-core"]["accuracy"]
    assert [entry.key for entry in history.pending] == [paused.configuration.key, not_begun.configuration.key]


def test_samplers_say_nothing_twice_that_pauses() -> None:
    trials = [completed(number, configuration(16, prune=number / 10)) for number in range(1, 5)]
    stages = [(*trial.stages[:1], replace(trial.stages[1], rounds=3)) for trial in trials]
    paused = [replace(trial, state=TrialState.RUNNING, stages=own) for trial, own in zip(trials, stages, strict=True)]
    known = {trial.configuration.key for trial in paused}
    for sampler in ("random", "tpe", "nsga2", "bayes"):
        asked = suggest(searched_study(sampler), paused, 3)
        assert asked
        assert known.isdisjoint(entry.key for suggestion in asked for entry in suggestion.configurations)
