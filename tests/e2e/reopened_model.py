"""A tuned model that gets further variants in later suggestions: real daemons, one TUNE."""

from __future__ import annotations

import subprocess

import pytest

from autoglm.processes import daemon_environment, program
from autoglm.results import Result
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState
from support.simulations import ONE_MODEL

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Three suggestions of up to three variants each, all of one `tune`."""
    folder = tmp_path_factory.mktemp("runs") / "one-model"
    command = [program("autoglm"), "simulate", str(ONE_MODEL), "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=daemon_environment())
    assert done.returncode == 0, done.stderr
    return Result.load(folder / "result.json")


def stage(trial: Trial, name: StageName) -> StageRecord:
    return next(entry for entry in trial.stages if entry.name is name)


@pytest.mark.timeout(300)
def test_every_suggestion_after_the_first_finds_the_model_tuned(result: Result) -> None:
    assert [trial.number for trial in result.trials] == [1, 2, 3, 4, 5, 6, 7]
    assert {trial.state for trial in result.trials} == {TrialState.COMPLETED}
    assert len({trial.configuration.tune_key for trial in result.trials}) == 1
    assert len({trial.configuration.key for trial in result.trials}) == 7
    tunes = [stage(trial, StageName.TUNE) for trial in result.trials]
    assert [tune.cached for tune in tunes] == [False] * 3 + [True] * 4
    assert len({(tune.key, tune.rounds, tune.seconds) for tune in tunes}) == 1


def test_every_variant_is_evaluated_by_the_sites(result: Result) -> None:
    accuracies = [next(iter(trial.measurements.values()))["accuracy"].mean for trial in result.trials]
    assert len(set(accuracies)) > 1
    assert len({stage(trial, StageName.COMPRESS).key for trial in result.trials}) > 3


def test_a_shape_is_measured_once_for_all_trials(result: Result) -> None:
    """Shapes whose channels round alike are one, and later trials find its figures in the store."""
    first: dict[tuple[str, object], Trial] = {}
    again = []
    for trial in result.trials:
        shape = stage(trial, StageName.PROBE).key, trial.configuration.deploy["threads"]
        if shape in first:
            again.append((first[shape], trial))
        first.setdefault(shape, trial)
    assert again
    for earlier, later in again:
        assert stage(later, StageName.PROBE).cached
        for name in ("latency_p95_ms", "size_mb"):
            assert later.measurements["one-core"][name] == earlier.measurements["one-core"][name]


def test_each_stage_tells_its_share_of_the_wall_time(result: Result) -> None:
    """What is shared is shared out, so that the sum over all trials is what the study took."""
    spent = {(entry.name, trial.number): entry.seconds for trial in result.trials for entry in trial.stages}
    tune = spent.pop((StageName.TUNE, 1))
    others = sum(seconds for (name, _), seconds in spent.items() if name is not StageName.TUNE)
    assert result.study_seconds is not None
    assert 0.5 * result.study_seconds < tune + others <= result.study_seconds
    for name in (StageName.PROBE, StageName.COMPRESS, StageName.EVALUATE):
        assert spent[name, 1] > 0
