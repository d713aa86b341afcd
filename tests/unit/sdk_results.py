"""What a user reads of a result."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from autoglm.ending import ending_text
from autoglm.errors import UnknownFront, UnknownTrial, UnreadableResult
from autoglm.results import Result, front_table, fronts_text
from autoglm.tables import render_table
from autoglm.trial_tables import trial_text, trials_table
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import StageRecord
from support.results import RESULT


@pytest.fixture
def result() -> Result:
    return Result.parse(json.dumps(RESULT).encode())


def test_a_front_names_each_pick_with_its_figures_and_its_configuration(result: Result) -> None:
    head, line = front_table(result, "one-core").splitlines()
    assert head.split() == ["trial", "accuracy", "test_accuracy", "latency_p95_ms", "configuration"]
    assert line.split() == ["4", "0.964", "0.958", "0.21", "width=16", "quantization=int8-static", "prune=0.25"]


def test_an_empty_front_says_why(result: Result) -> None:
    assert "front on two-core\nempty" in fronts_text(result)


def test_an_unknown_class_names_the_known_ones(result: Result) -> None:
    with pytest.raises(UnknownFront, match="one-core, two-core"):
        front_table(result, "pi5")


def test_the_trials_table_tells_the_cost_and_the_reason_of_a_failure(result: Result) -> None:
    lines = trials_table(result).splitlines()
    assert lines[0].split()[:6] == ["trial", "state", "how", "seconds", "accuracy", "one-core/latency_p95_ms"]
    assert lines[1].split()[:6] == ["4", "completed", "model", "4.1", "0.964", "0.21"]
    assert "numerics-mismatch" in lines[2]


def test_one_trial_in_full_has_units_and_provenance(result: Result) -> None:
    text = trial_text(result.trial(4))
    assert "secure-sum" in text
    assert "ms" in text.split()
    assert "ab" * 6 in text


def with_training(result: Result, *, measured: float, modelled: float) -> Result:
    """The result after its one TUNE, and nothing else, cost so much."""
    cost = TrainingCost(seconds=81.5, measured=measured, modelled=modelled, memory_mb=412.3)
    trial = result.trial(4)
    tune = replace(trial.stages[0], cost=cost, trained=9_226, total=22_713_216)
    trials = (replace(trial, stages=(tune,)), result.trial(5))
    return replace(result, trials=trials, study_joules=cost.joules, study_modelled_joules=modelled)


@pytest.mark.parametrize(
    ("measured", "modelled", "told"),
    [
        (0.0, 1250.0, "1.25 kJ, all of it modelled"),
        (1000.0, 250.0, "1.25 kJ, 20% of it modelled"),
        (3_200_000.0, 0.0, "3.2 MJ"),
    ],
)
def test_what_training_cost_is_told_with_what_no_meter_measured(
    result: Result, measured: float, modelled: float, told: str
) -> None:
    spent = with_training(result, measured=measured, modelled=modelled)
    line = next(line for line in trial_text(spent.trial(4)).splitlines() if line.startswith("training: "))
    assert line.split("; ") == [
        "training: 9226 of 22713216 parameters",
        "81.5 s at all sites together",
        told,
        "at most 412.3 MB at a site, on average over the sites",
    ]
    assert ending_text(spent).endswith(f"; {told} in training at its sites")
    stage = spent.trial(4).stages[0]
    assert StageRecord.from_json(json.loads(json.dumps(stage.to_json()))) == stage


def test_what_gradients_said_and_a_controller_did_is_told_with_the_trial(result: Result) -> None:
    trial = result.trial(4)
    counted = {"steps": 40.0, "norm_sum": 20.0, "norm_squared_sum": 11.6, "signal_sum": 0.5, "noise_sum": 64.0}
    counted |= {"curvatures": 4.0, "curvature_sum": 6.0, "decisions/follows-batch": 3.0}
    tune = replace(trial.stages[0], counted={**counted, "decisions/curvature-grew": 0.0})
    lines = trial_text(replace(trial, stages=(tune,))).splitlines()
    told = "gradients: 40 steps, norm 0.5 (standard deviation 0.2), noise scale 128 rows, curvature 1.5"
    assert told in lines
    assert "controller: follows-batch 3 times" in lines
    assert StageRecord.from_json(json.loads(json.dumps(tune.to_json()))) == tune
    assert not any(line.startswith(("gradients", "controller")) for line in trial_text(trial).splitlines())


def test_of_a_study_that_trained_nothing_yet_no_joules_are_told(result: Result) -> None:
    assert "J" not in ending_text(result)


def test_an_unknown_trial_is_refused_with_the_count(result: Result) -> None:
    with pytest.raises(UnknownTrial, match="the study has 2"):
        result.trial(9)


@pytest.mark.parametrize(
    "source", [b"", b"{", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "study": 3}', b'"text"'], ids=repr
)
def test_a_damaged_or_newer_result_is_one_error(source: bytes) -> None:
    with pytest.raises(UnreadableResult):
        Result.parse(source)


def test_a_table_aligns_numbers_to_the_right_and_text_to_the_left() -> None:
    assert render_table(["name", "n"], [["a", 1], ["long", 100]]) == "name    n\na       1\nlong  100"
