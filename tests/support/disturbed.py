"""A cluster whose daemons can be frozen, starved of disk space, robbed of their children and looked into.

Real signals to real processes; nothing inside the daemons knows of it.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from autoglm.processes import wait_until
from autoglm.simulate import Simulation
from autoglm_agent.local import ask
from autoglm_agent.state import StateFolder
from support.cluster import COORDINATOR, Cluster
from support.stored import OpenSession, Stored

STILL_SECONDS = 0.7
"""A task that stands still for so long waits for what was frozen: rounds of these studies take a tenth of it."""
CATCH_SECONDS = 60.0


Seen = TypeVar("Seen")


class StandingTask(NamedTuple):
    """A task of an agent that does not move."""

    work: str
    round: int
    step: str


class Disturbed(Cluster):
    """`Cluster` with everything that a bad day brings."""

    def __init__(self, simulation: Simulation, root: Path) -> None:
        super().__init__(simulation, root)
        self.stored = Stored(self.folder.coordinator)

    def site_id(self, name: str) -> str:
        """The id that the coordinator gave an agent."""
        return next(agent.id for agent in self.client.agents() if agent.name == name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a daemon."""
        os.kill(self._deployment.daemon(name).pid, number)

    def children(self, name: str) -> list[int]:
        """Process ids of a daemon's children."""
        tasks = Path(f"/proc/{self._deployment.daemon(name).pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]

    def hurry(self, *, work: str, answer: str, gather: str, absence: str = "1h") -> None:
        """Restart the coordinator with short deadlines."""
        config = self.folder.coordinator / "coordinator.toml"
        deadlines = f'\n[deadlines]\nwork = "{work}"\nanswer = "{answer}"\ngather = "{gather}"\n'
        deadlines += f'absence = "{absence}"\n'
        config.write_text(config.read_text() + deadlines)
        self.restart(COORDINATOR)
        self.wait_connected(*(agent.name for agent in self.client.agents()))

    @contextmanager
    def full_disk(self, *, spare: int = 0) -> Iterator[None]:
        """No file of the coordinator may grow past the size of its database's log and `spare` bytes, for a while."""
        pid = self._deployment.daemon(COORDINATOR).pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (self._log_size() + spare, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def start_on_a_full_disk(self) -> str:
        """Start the coordinator as `full_disk` leaves it; what it says before it ends."""
        daemon = self._deployment.daemon(COORDINATOR)
        own = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._log_size(), own[1]))
        try:
            daemon.start()  # it inherits the limit
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, own)
        assert daemon.wait(seconds=CATCH_SECONDS)
        return daemon.output()

    def _log_size(self) -> int:
        return self.stored.path.with_name(self.stored.path.name + "-wal").stat().st_size

    def freeze_in_a_round(self, name: str) -> int:
        """Freeze the site's child in the middle of a training round; its process id."""
        deadline = time.monotonic() + CATCH_SECONDS
        while time.monotonic() < deadline:
            (child,) = self.children(name)
            os.kill(child, signal.SIGSTOP)
            tasks = self.standing_tasks(name)
            # Not an evaluation, which ends without a round, nor one whose vector left: its child has nothing to do.
            if all((task.work, task.step) == ("train", "at-work") for task in tasks):
                return child
            os.kill(child, signal.SIGCONT)
            wait_until(lambda: self._tasks_in_work(name) != tasks, what=f"{name} to go on", seconds=CATCH_SECONDS)  # noqa: B023
        raise AssertionError(f"{name} was never caught in a round")

    def standing_tasks(self, name: str) -> list[StandingTask]:
        """The agent's tasks, once they have stood still."""
        return stands_still(lambda: self._tasks_in_work(name), what=f"work at {name}")

    def _tasks_in_work(self, name: str) -> list[StandingTask]:
        socket = StateFolder(self.folder.agent(name) / "state").socket
        return [
            StandingTask(task["work"], task["round"], task["step"]) for task in ask(socket, {"verb": "status"})["tasks"]
        ]

    def freeze_the_coordinators_child(self) -> None:
        """Freeze it, and wait until the study stands still because of that."""
        (child,) = self.children(COORDINATOR)
        os.kill(child, signal.SIGSTOP)
        stands_still(lambda: [self.stored.size()], what="the study")

    def freeze_while_unmasking(self) -> OpenSession:
        """Freeze the coordinator with a training session that has its survivors in the store, and no sum yet."""
        deadline = time.monotonic() + CATCH_SECONDS
        while time.monotonic() < deadline:
            if not self.stored.open_sessions():
                continue
            self.signal(COORDINATOR, signal.SIGSTOP)
            # Only now is it certain: the look before was at a running daemon.
            training = [session for session in self.stored.open_sessions() if session.spec.purpose == "train"]
            if training:
                return training[0]
            self.signal(COORDINATOR, signal.SIGCONT)
        raise AssertionError("no session was caught between its survivors and its sum")


def stands_still(look: Callable[[], list[Seen]], *, what: str) -> list[Seen]:
    """What `look` shows once it has been the same, and not empty, for `STILL_SECONDS`."""
    seen: list[Seen] = []
    since = time.monotonic()

    def still() -> bool:
        nonlocal seen, since
        now = look()
        if now != seen or not now:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > STILL_SECONDS

    wait_until(still, what=what, seconds=CATCH_SECONDS)
    return seen


def prepare(simulation: Simulation, root: Path) -> Path:
    """A deployment that joined and has its roster, but no study yet: to be copied."""
    with Cluster(simulation, root):
        return root


def twin(prepared: Path, root: Path) -> Path:
    """A copy with the same site keys, secrets and ports. Only one of them can run at a time.

    What is rounded depends on a site's secret, so that only twins give the same weights.
    """
    shutil.copytree(prepared, root)
    config = root / ".state" / "coordinator" / "coordinator.toml"
    config.write_text(config.read_text().replace(str(prepared), str(root)))
    return root
