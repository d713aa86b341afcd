"""Daemons as child processes: started in their own process group, ended with this program, their output in a file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autoglm.errors import DaemonEnded, NotReady, ProgramMissing

LAUNCHER = Path(__file__).with_name("launcher.py")
POLL_SECONDS = 0.02
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "AUTOGLM_MODELS",
    "COVERAGE_PROCESS_START",
)


def program(name: str) -> str:
    """Path of an installed program, beside this interpreter or on PATH.

    Raises:
        ProgramMissing: it is not installed.
    """
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise ProgramMissing(program=name)
    return found


def wait_until(holds: Callable[[], bool], *, what: str, seconds: float) -> None:
    """Return as soon as `holds()`, or raise `NotReady` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise NotReady(what=what, seconds=seconds)
        time.sleep(POLL_SECONDS)


class Daemon:
    """One program that runs until it is stopped.

    `command`: the program's path and its arguments. `log`: where both of its outputs are appended.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._environment = daemon_environment() if environment is None else dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id of the running or the last process."""
        if self._process is None:
            raise DaemonEnded(name=self.name, exit_code=0, last_line="it was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it. Call from the thread that lives longest: the kernel ties the child to its parent's thread."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *self._command]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own programs, no shell
                launch, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, process_group=0
            )

    def output(self) -> str:
        """What it wrote since its last start."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def wait_for_line(self, start: str, *, seconds: float) -> str:
        """The first line of output that begins with `start`, without it.

        Raises:
            DaemonEnded: it ended before.
            NotReady: no such line in `seconds`.
        """
        found: list[str] = []

        def said() -> bool:
            running = self.running
            lines = self.output().split("\n")[:-1]
            found.extend(line.removeprefix(start).strip() for line in lines if line.startswith(start))
            if not found and not running:
                raise self.ended()
            return bool(found)

        wait_until(said, what=self.name, seconds=seconds)
        return found[0]

    def ended(self) -> DaemonEnded:
        """The error that tells how it ended."""
        lines = [line for line in self.output().splitlines() if line.strip()]
        exit_code = 0 if self._process is None else self._process.wait()
        return DaemonEnded(
            name=self.name, exit_code=exit_code, log=str(self._log), last_line=lines[-1] if lines else ""
        )

    def terminate(self) -> None:
        """Ask it to drain and end."""
        if self.running:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would; its own children must notice by themselves."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(seconds=5)

    def wait(self, *, seconds: float) -> bool:
        """Whether it ended in `seconds`."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def sweep(self) -> None:
        """Kill whatever is left of its process group."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            self._process.wait()


def stop_all(daemons: Sequence[Daemon], *, seconds: float) -> list[str]:
    """Drain all of `daemons` together, kill what is left after `seconds`; returns the names of those killed."""
    deadline = time.monotonic() + seconds
    try:
        for daemon in daemons:
            daemon.terminate()
        return [daemon.name for daemon in daemons if not daemon.wait(seconds=max(0.0, deadline - time.monotonic()))]
    finally:
        for daemon in daemons:
            daemon.sweep()


def run_to_end(
    name: str, command: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program that ends by itself and return its standard output.

    Raises:
        DaemonEnded: it ended with another code than 0.
        NotReady: it did not end in `seconds`.
    """
    try:
        done = subprocess.run(  # noqa: S603  our own programs, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=daemon_environment() if environment is None else dict(environment),
        )
    except subprocess.TimeoutExpired as error:
        raise NotReady(what=name, seconds=seconds) from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise DaemonEnded(name=name, exit_code=done.returncode, last_line=lines[-1] if lines else "")
    return done.stdout


def daemon_environment() -> dict[str, str]:
    """What a daemon is told of this program's environment: where things are, and no secrets."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "GRPC_VERBOSITY": "ERROR"}
