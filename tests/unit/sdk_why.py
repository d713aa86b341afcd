"""Why a trial was suggested, how the fronts grew and what matters: as text, and where it is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm.command_line import main
from autoglm.growth import growth_text
from autoglm.importance import importance_text
from autoglm.results import Result
from autoglm.why import why, why_text
from autoglm_core.canonical import Json
from autoglm_core.reason import How, Reason
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import StageName, StageRecord, TrialState
from support.results import RESULT

IMPORTANCE: Json = {
    "needed": 20,
    "classes": {
        "one-core": {
            "trials": 24,
            "importance": {
                "accuracy": {"learning_rate": 0.75, "prune": 0.25},
                "energy_mj": {},
                "front": {"prune": 0.6, "learning_rate": 0.4},
            },
        },
        "two-core": {"trials": 3, "importance": {}},
    },
}


@pytest.fixture
def result() -> Result:
    return Result.parse(json.dumps(RESULT).encode())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    (tmp_path / "importance.json").write_text(json.dumps(IMPORTANCE))
    (tmp_path / "optuna-journal.log").write_bytes(b"{}\n")
    return tmp_path


def test_what_was_expected_stands_beside_what_was_measured(result: Result) -> None:
    told = why(result, result.trial(4))
    accuracy, fast, other = told["figures"]
    assert (accuracy["predicted"], accuracy["measured"], accuracy["off"]) == (0.95, 0.964, 1.04)
    assert (fast["predicted"], fast["measured"], fast["off"]) == (0.3, 0.21, -4.02)
    assert "measured" not in other
    text = why_text(told)
    assert "how: of all that the model was asked about it promised the most (bayes)" in text
    assert "expected gain in hypervolume -2.5" in text
    assert "constraints hold: 97%" in text
    assert "expected to take 5 s; took 4.1 s" in text
    assert "now on one-core: rank 1, a pick; two-core: rank 3 (1 is the Pareto front)" in text
    row = "one-core/latency_p95_ms 0.3 0.02 0.21 0.01 -4.02 ms"
    assert row.split() in [line.split() for line in text.splitlines()]


def test_expected_joules_stand_beside_those_that_were_spent(result: Result) -> None:
    trial = result.trial(4)
    assert "its TUNE" not in why_text(why(result, trial))
    assert trial.reason is not None
    tune = replace(trial.stages[0], cost=TrainingCost(measured=300.0, modelled=100.0))
    told = why(result, replace(trial, reason=replace(trial.reason, joules=520.0), stages=(tune,)))
    assert (told["joules"], told["modelled_joules"], told["expected"]["joules"]) == (400.0, 100.0, 520.0)
    assert "its TUNE was expected to take 520 J; took 400 J, 25% of it modelled" in why_text(told)


def test_a_tune_counts_with_the_first_of_the_trials_that_share_it(result: Result) -> None:
    first = result.trial(4)
    evaluate = StageRecord(StageName.EVALUATE, "ef" * 32, cached=False, seconds=0.5)
    second = replace(first, number=6, stages=(*first.stages, evaluate))
    whole = replace(result, trials=(first, second))
    assert [why(whole, trial)["seconds"] for trial in (first, second)] == [4.1, 0.5]


def test_a_trial_that_was_stopped_is_not_held_against_what_was_expected_at_its_end(result: Result) -> None:
    stopped = replace(result.trial(4), state=TrialState.STOPPED)
    accuracy = why(result, stopped)["figures"][0]
    assert accuracy["measured"] == 0.964
    assert "off" not in accuracy
    lines = [line.split() for line in why_text(why(result, stopped)).splitlines()]
    assert "accuracy 0.95 0.01 0.964 0.009 -".split() in lines


@pytest.mark.parametrize("how", How)
def test_every_way_to_come_about_has_words(result: Result, how: How) -> None:
    trial = replace(result.trial(5), reason=Reason(how))
    assert f"how: {how}" not in why_text(why(result, trial))


def test_a_trial_without_a_reason_says_so_and_tells_the_rest(result: Result) -> None:
    text = why_text(why(result, result.trial(5)))
    assert "how: no reason was kept with it" in text
    assert "rank: none" in text


def test_the_command_line_reads_a_run_folder_and_its_result(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (run, run / "result.json"):
        assert main(["trials", str(place), "--why", "4"]) == 0
        assert "promised" in capsys.readouterr().out
    assert main(["trials", str(run), "--why", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["how"] == "model"
    assert main(["front", str(run), "--history"]) == 0
    assert "share of the box between accuracy 0.7, latency_p95_ms 2" in capsys.readouterr().out
    assert main(["importance", str(run)]) == 0
    assert "importance on one-core, over 24 trials" in capsys.readouterr().out
    out = run / "deep" / "copy.log"
    assert main(["export-optuna", str(run), "--out", str(out)]) == 0
    assert out.read_bytes() == b"{}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--why", "99"], "there is no trial 99; the study has 2"),
        (["4", "--why", "4"], "--why names the trial already"),
    ],
)
def test_what_cannot_be_told_is_one_line(
    run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trials", str(run), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_was_damaged_and_a_place_that_cannot_be_written_are_one_line(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export-optuna", str(run), "--out", str(run)]) == 2
    assert "cannot write" in capsys.readouterr().err
    (run / "importance.json").write_text('{"needed": 20, "classes": [3]}')
    assert main(["importance", str(run)]) == 2
    assert "the result cannot be read" in capsys.readouterr().err
    (run / "importance.json").unlink()
    assert main(["importance", str(run)]) == 2
    assert "importance.json: No such file" in capsys.readouterr().err


def test_a_folder_without_a_result_and_an_unknown_id_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOGLM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["trials", str(tmp_path / "none"), "--why", "1"]) == 2
    assert "no result.json" in capsys.readouterr().err
    assert main(["trials", "heart-3fa1c2", "--why", "1"]) == 2
    assert "autoglm login" in capsys.readouterr().err


def test_growth_of_a_class_without_a_front_says_why(result: Result) -> None:
    assert "hypervolume on two-core\nnone: no completed trial" in growth_text(result)


def test_parameters_are_listed_by_what_they_mean_for_the_front() -> None:
    text = importance_text(IMPORTANCE)
    head, first, second = (line.split() for line in text.splitlines()[1:4])
    assert head == ["parameter", "accuracy", "energy_mj", "front"]
    assert (first, second) == (["prune", "25%", "-", "60%"], ["learning_rate", "75%", "-", "40%"])
    assert "two-core: 3 completed trials, and 20 are needed" in text


def test_too_few_trials_are_said_with_the_number_that_is_needed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = {"needed": 20, "classes": {"one-core": {"trials": 7, "importance": {}}}}
    (run / "importance.json").write_text(json.dumps(few))
    assert main(["importance", str(run)]) == 2
    assert "7 completed and feasible trials are too few" in capsys.readouterr().err
    assert main(["importance", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == few
