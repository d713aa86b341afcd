"""Ctrl-C in the middle of `autoglm simulate`: nothing stays behind, and the same command goes on with what was done."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from autoglm.processes import Daemon, program, wait_until
from autoglm.results import Result
from support.cluster import COORDINATOR
from support.simulations import SYNTHETIC
from support.stored import Stored

ONE_RUN = 120.0
TRIALS = 60


def alive(folder: Path) -> list[int]:
    """Process ids of every daemon and child that works for `folder`: their working files or arguments lie there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.mark.timeout(240)
def test_ctrl_c_leaves_no_process_and_the_same_command_ends_with_the_same_trials(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [program("autoglm"), "simulate", str(SYNTHETIC), "--out", str(folder), "--trials", str(TRIALS)]
    stored = Stored(folder / ".state" / COORDINATOR)
    first = Daemon("simulate", command, log=tmp_path / "first.log")
    first.start()
    # Before the first line about trials, which may come when all of them are done.
    wait_until(lambda: "awaiting" in first.output() or not first.running, what="the study", seconds=ONE_RUN)
    wait_until(lambda: "completed" in stored.trial_states(), what="a completed trial", seconds=ONE_RUN)
    os.kill(first.pid, signal.SIGINT)
    assert first.wait(seconds=40)
    wait_until(lambda: not alive(folder), what="the end of all daemons", seconds=10)
    before = stored.trials()
    second = Daemon("simulate", command, log=tmp_path / "second.log")
    second.start()
    assert second.wait(seconds=ONE_RUN), second.output()
    assert not alive(folder)
    after = {trial.number: trial for trial in Result.load(folder / "result.json").trials}
    assert 0 < sum(trial.state.final for trial in before) < TRIALS, "it was interrupted in the middle"
    for trial in before:
        assert after[trial.number].configuration == trial.configuration
        if trial.state.final:
            assert after[trial.number] == trial
    assert sorted(after) == list(range(1, TRIALS + 1))
