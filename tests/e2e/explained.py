"""A run explains itself: why each trial, how the front grew, what matters, and all of it for Optuna's tools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autoglm.processes import daemon_environment, program
from support.simulations import STUDIES

ONE_RUN = 150.0


def autoglm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("autoglm"), *arguments],
        capture_output=True,
        text=True,
        timeout=ONE_RUN,
        check=False,
        env=daemon_environment(),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "explained"
    done = autoglm("simulate", str(STUDIES / "explained.yaml"), "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return str(folder)


@pytest.mark.timeout(200)
def test_every_trial_says_how_it_came_about(run: str) -> None:
    done = autoglm("trials", run)
    ways = [line.split()[2] for line in done.stdout.splitlines()[1:25]]
    assert ways[0] == "reference"
    assert {"spread", "model"} <= set(ways)


def test_the_model_said_what_it_expected_before_it_was_measured(run: str) -> None:
    told = json.loads(autoglm("trials", run, "--why", "24", "--json").stdout)
    assert told["how"] == "model"
    assert {"log_gain", "feasible"} <= told["expected"].keys()
    figures = {row["figure"]: row for row in told["figures"]}
    loss = figures["loss"]
    assert loss["deviation"] > 0
    assert {"measured", "off"} <= loss.keys()
    words = autoglm("trials", run, "--why", "24").stdout
    assert "promised the most (bayes)" in words
    assert "now on one-core: rank" in words


def test_the_front_grew_to_all_that_there_is(run: str) -> None:
    lines = autoglm("front", run, "--history").stdout.splitlines()
    shares = [float(line.split()[1].rstrip("%")) for line in lines[3:]]
    assert shares == sorted(shares)
    assert lines[1].startswith("share of the box between")
    assert (Path(run) / "hypervolume-one-core.png").read_bytes().startswith(b"\x89PNG")


def test_the_parameter_that_the_figures_follow_is_the_important_one(run: str) -> None:
    told = json.loads(autoglm("importance", run, "--json").stdout)["classes"]["one-core"]
    assert told["trials"] == 24
    assert told["importance"]["loss"]["shift"] > 0.9


def test_optuna_opens_what_was_exported(run: str, tmp_path: Path) -> None:
    out = tmp_path / "journal.log"
    assert autoglm("export-optuna", run, "--out", str(out)).returncode == 0
    (summary,) = optuna.get_all_study_summaries(storage := JournalStorage(JournalFileBackend(str(out))))
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    assert study.user_attrs["device_class"] == "one-core"
    assert [trial.user_attrs["trial"] for trial in study.trials] == list(range(1, 25))
    assert {trial.user_attrs["how"] for trial in study.trials} >= {"reference", "model"}
