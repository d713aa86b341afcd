"""Daemons as children: they end with their parent, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm.errors import DaemonEnded, NotReady, ProgramMissing
from autoglm.processes import Daemon, program, run_to_end, stop_all, wait_until

WAITS = "import signal, sys; print('ready here', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


def python(name: str, code: str, folder: Path) -> Daemon:
    return Daemon(name, [sys.executable, "-c", code], log=folder / f"{name}.log")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_daemon_says_that_it_is_ready_and_ends_when_asked(tmp_path: Path) -> None:
    daemon = python("one", WAITS, tmp_path)
    daemon.start()
    assert daemon.wait_for_line("ready ", seconds=10) == "here"
    assert stop_all([daemon], seconds=10) == []
    assert not daemon.running


def test_one_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    daemon = python("stubborn", STUBBORN, tmp_path)
    daemon.start()
    daemon.wait_for_line("ready", seconds=10)
    assert stop_all([daemon], seconds=0.2) == ["stubborn"]
    assert not daemon.running


def test_one_that_ends_early_is_told_with_its_last_line(tmp_path: Path) -> None:
    daemon = python("broken", "import sys; print('disk full', file=sys.stderr); sys.exit(3)", tmp_path)
    daemon.start()
    with pytest.raises(DaemonEnded, match="broken ended with code 3: disk full"):
        daemon.wait_for_line("ready", seconds=10)


def test_a_restart_forgets_the_old_ready_line(tmp_path: Path) -> None:
    daemon = python("one", WAITS, tmp_path)
    daemon.start()
    daemon.wait_for_line("ready ", seconds=10)
    first = daemon.pid
    daemon.kill()
    daemon.start()
    daemon.wait_for_line("ready ", seconds=10)
    assert daemon.pid != first
    stop_all([daemon], seconds=10)


def test_daemons_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, sys\nfrom pathlib import Path\nfrom autoglm.processes import Daemon\n"
            f"daemon = Daemon('child', [sys.executable, '-c', {WAITS!r}], log=Path(sys.argv[1]) / 'child.log')\n"
            "daemon.start()\ndaemon.wait_for_line('ready ', seconds=10)\nprint(daemon.pid, flush=True)\nsignal.pause()",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not alive(child), what="the end of the child", seconds=10)


def test_waiting_has_an_end() -> None:
    with pytest.raises(NotReady, match="the moon"):
        wait_until(lambda: False, what="the moon", seconds=0.05)


def test_a_missing_program_says_what_to_install() -> None:
    with pytest.raises(ProgramMissing, match="pip install"):
        program("autoglm-nothing")


def test_a_program_that_fails_is_told_with_its_error() -> None:
    with pytest.raises(DaemonEnded, match="no such token"):
        run_to_end("join", [sys.executable, "-c", "import sys; sys.exit('no such token')"], seconds=10)
