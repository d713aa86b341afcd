"""A budget of energy: joules of training, counted at the sites, end a study and stand in its result."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autoglm.command_line import main
from autoglm.processes import daemon_environment, program
from autoglm.results import Result
from autoglm_core.trial import StageName, StageRecord
from autoglm_workloads.child.energy import RaplMeter, open_meter
from support.simulations import SYNTHETIC

PARAMETERS = 1_500_000
JOULES = 1
ONE_RUN = 120.0


def limited(folder: Path, energy: str) -> Path:
    """The synthetic study, of models that take a moment, with 300 trials and a limit of `energy`."""
    text = SYNTHETIC.read_text()
    for before, after in (
        ("parameters: 500}", f"parameters: {PARAMETERS}}}"),
        ("{trials: 6}", f'{{trials: 300, energy: "{energy}"}}'),
    ):
        assert before in text
        text = text.replace(before, after)
    path = folder / "thrifty.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run to its end."""
    folder = tmp_path_factory.mktemp("thrifty")
    study = limited(folder, f"{JOULES}J")
    done = subprocess.run(
        [program("autoglm"), "simulate", str(study), "--out", str(folder / "run")],
        capture_output=True,
        text=True,
        timeout=ONE_RUN,
        check=False,
        env=daemon_environment(),
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


def tunes_of(result: Result) -> list[StageRecord]:
    """Each once."""
    stages = {stage.key: stage for trial in result.trials for stage in trial.stages if stage.name is StageName.TUNE}
    return list(stages.values())


@pytest.mark.long
@pytest.mark.timeout(180)
def test_joules_of_all_sites_end_the_study_and_stay_within_the_budget(run: Path) -> None:
    result = Result.load(run / "result.json")
    tunes = tunes_of(result)
    assert result.stopped == "energy"
    assert 1 < len(tunes) < 150
    assert result.study_joules == pytest.approx(sum(tune.cost.joules for tune in tunes), abs=1e-4)
    assert 0.5 * JOULES < result.study_joules < JOULES + max(tune.cost.joules for tune in tunes)


@pytest.mark.long
def test_how_much_of_it_no_meter_measured_is_told(run: Path) -> None:
    """All four sites are on this machine: either it has a counter or it has none."""
    result = Result.load(run / "result.json")
    metered = isinstance(open_meter(watts=1.0), RaplMeter)
    assert result.study_modelled_joules == (0.0 if metered else result.study_joules)
    for tune in tunes_of(result):
        assert tune.cost.modelled == (0.0 if metered else tune.cost.joules)


@pytest.mark.long
def test_every_tune_tells_seconds_memory_and_parameters(run: Path) -> None:
    for tune in tunes_of(Result.load(run / "result.json")):
        assert 0 < tune.cost.seconds < 4 * tune.seconds, "four sites train at once"
        assert 20 < tune.cost.memory_mb < 2000, "a mean over the sites, and no sum"
        assert tune.trained == tune.total == PARAMETERS


@pytest.mark.long
def test_the_command_line_says_it_in_words(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", str(run)]) == 0
    said = capsys.readouterr().out
    assert "ended: its joules are spent, or another TUNE would probably go beyond them" in said
    assert "in training at its sites" in said
    assert main(["trials", str(run), "1"]) == 0
    assert f"training: {PARAMETERS} of {PARAMETERS} parameters; " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("energy", "reason"), [("0kJ", "must be above 0"), ("-1MJ", "with its unit"), ("5 horses", "with its unit")]
)
def test_an_energy_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, energy: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study = limited(tmp_path, energy)
    assert main(["check", str(study)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "thrifty.yaml:13: budget.energy: " in line
    assert reason in line


def test_a_study_that_is_checked_says_its_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(limited(tmp_path, "2.5kWh"))]) == 0
    assert "9 MJ spent on training by all sites" in capsys.readouterr().out
