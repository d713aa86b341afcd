"""`autoglm simulate`, as a user types it: real daemons, the files that it leaves, interruption and resumption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from autoglm.processes import Daemon, daemon_environment, program, wait_until
from autoglm.results import Result
from support.simulations import SYNTHETIC

ONE_RUN = 120.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run to its end: its folder and what was printed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = simulate(folder)
    assert done.returncode == 0, done.stderr + logs(folder)
    return folder, done.stdout


def simulate(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("autoglm"), "simulate", str(SYNTHETIC), "--out", str(folder), *more],
        capture_output=True,
        text=True,
        timeout=ONE_RUN,
        check=False,
        env=daemon_environment(),
    )


def logs(folder: Path) -> str:
    return "".join(f"\n--- {path.name}\n{path.read_text()[-2000:]}" for path in (folder / ".state/logs").glob("*.log"))


def daemons_of(folder: Path) -> list[int]:
    """Process ids of everything that was started for `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found


@pytest.mark.timeout(180)
def test_a_run_ends_with_every_trial_accounted_for(finished: tuple[Path, str]) -> None:
    result = Result.load(finished[0] / "result.json")
    assert len(result.trials) == 6
    assert {str(trial.state) for trial in result.trials} <= {"completed", "stopped"}
    assert result.study_seconds is not None
    assert result.study_seconds > 0


def test_the_result_says_what_was_protected_and_what_was_not(finished: tuple[Path, str]) -> None:
    protection = json.loads((finished[0] / "result.json").read_bytes())["protection"]
    named = {"secure_sum": True, "roster": "simulated", "sites": 4, "minimum_cohort": 3, "threshold": 3}
    assert {name: protection[name] for name in named} == named
    assert protection["suite"].startswith("autoglm/v1/")
    assert (protection["colluders"], protection["spare_sites"]) == (1, 1)
    assert protection["rings"] == {"weights": 32, "counters": 64}
    assert protection["random_k"] == 1
    assert {"global model", "crafted models", "keys that nobody compared"} <= set(protection["not_protected"])


def test_the_best_variant_lies_ready(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    names = {path.name for path in (folder / "best" / "one-core").iterdir()}
    assert names == {"model.onnx", "configuration.yaml", "README.md"}
    assert (folder / "front-one-core.png").read_bytes().startswith(b"\x89PNG")


def test_progress_is_plain_lines_without_a_terminal_and_the_front_comes_last(finished: tuple[Path, str]) -> None:
    _, printed = finished
    assert "\x1b" not in printed
    assert "front on one-core" in printed
    assert printed.splitlines()[-1].endswith("result.json")


def test_nothing_is_left_running(finished: tuple[Path, str]) -> None:
    assert daemons_of(finished[0]) == []


def test_the_same_command_again_shows_the_same_result_at_once(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    again = simulate(folder)
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == printed.splitlines()[-1]


def test_another_seed_in_the_same_folder_is_refused(finished: tuple[Path, str]) -> None:
    other = simulate(finished[0], "--seed", "8")
    assert other.returncode == 2
    assert "--out" in other.stderr
    assert len(other.stderr.splitlines()) == 1


def test_each_agent_finds_its_own_rows_alone(finished: tuple[Path, str]) -> None:
    agents = finished[0] / ".state" / "agents"
    sites = [path for path in agents.iterdir() if path.name.startswith("site-")]
    assert len(sites) == 4
    for site in sites:
        config = (site / "agent.toml").read_text()
        assert [path.name for path in (site / "data").iterdir()] == ["synthetic.npz"]
        assert not any(other.name in config for other in sites if other != site)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM, signal.SIGKILL],
    ids=lambda number: number.name,
)
def test_whatever_ends_it_nothing_stays_and_the_same_command_resumes(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "tiny"
    command = [program("autoglm"), "simulate", str(SYNTHETIC), "--out", str(folder)]
    first = Daemon("simulate", command, log=tmp_path / "first.log")
    first.start()
    wait_until(lambda: "trial " in first.output() or not first.running, what="the first trial", seconds=ONE_RUN)
    os.kill(first.pid, number)
    assert first.wait(seconds=40)
    wait_until(lambda: daemons_of(folder) == [], what="the end of the daemons", seconds=40)
    resumed = simulate(folder)
    assert resumed.returncode == 0, resumed.stderr + logs(folder)
    assert len(Result.load(folder / "result.json").trials) == 6
