"""A whole deployment for tests: real daemons on loopback in a temporary folder, which can be killed and started again.

Built on what `autoglm simulate` runs, so that a test that passes says something about what a user starts. A test reads
like a story:

    with Cluster(simulation, folder) as cluster:
        study = cluster.submit()
        cluster.wait_for(study, lambda now: now.round >= 3)
        cluster.kill("site-2")
        cluster.start("site-2")
        result = cluster.wait_for_result(study)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from autoglm.answers import StudyLine
from autoglm.control import ControlClient
from autoglm.errors import CoordinatorUnreachable, NotReady
from autoglm.processes import wait_until
from autoglm.progress import Progress
from autoglm.results import Result
from autoglm.run_folder import RunFolder
from autoglm.simulate import Simulation, prepare_agents
from autoglm.simulated_deployment import READY, START_SECONDS, SimulatedDeployment
from autoglm_core.canonical import canonical_json

COORDINATOR = "coordinator"


class Cluster:
    """One coordinator and the agents of a simulation."""

    def __init__(self, simulation: Simulation, root: Path) -> None:
        self.simulation = simulation
        self.folder = RunFolder(root)
        self._deployment = SimulatedDeployment(
            self.folder,
            prepare_agents(simulation, self.folder),
            minimum_cohort=simulation.study.protection.minimum_cohort,
        )

    def __enter__(self) -> Self:
        self._deployment.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deployment.__exit__(kind, error, trace)

    @property
    def client(self) -> ControlClient:
        """The operator's connection."""
        return self._deployment.client

    def submit(self, *, key: str = "first") -> str:
        """Submit the simulation's study; the same `key` gives the same study."""
        return self.client.submit(canonical_json(self.simulation.study.to_json()), idempotency_key=key).id

    def kill(self, name: str) -> None:
        """End a daemon as a power cut would: SIGKILL."""
        self._deployment.daemon(name).kill()

    def start(self, name: str) -> None:
        """Start a daemon again; for the coordinator, wait until its ports are up."""
        daemon = self._deployment.daemon(name)
        daemon.start()
        if name == COORDINATOR:
            daemon.wait_for_line(READY, seconds=START_SECONDS)

    def restart(self, name: str) -> None:
        """Kill it and start it again."""
        self.kill(name)
        self.start(name)

    def running(self, name: str) -> bool:
        """Whether the daemon's process is alive."""
        return self._deployment.daemon(name).running

    def pid(self, name: str) -> int:
        """Process id of a daemon."""
        return self._deployment.daemon(name).pid

    def output(self, name: str) -> str:
        """What a daemon wrote since its last start, for a failing test's message."""
        return self._deployment.daemon(name).output()

    def connected(self) -> set[str]:
        """Names of the agents whose stream is open."""
        return {agent.name for agent in self.client.agents() if agent.connected}

    def wait_connected(self, *names: str, seconds: float = 30.0) -> None:
        """Return once all of `names` are connected."""
        wait_until(lambda: set(names) <= self.connected(), what=f"agents {names}", seconds=seconds)

    def study(self, study_id: str) -> StudyLine:
        """What `status` says of a study."""
        return next(study for study in self.client.studies() if study.id == study_id)

    def wait_for(self, study_id: str, holds: Callable[[Progress], bool], *, seconds: float = 60.0) -> Progress:
        """The first progress for which `holds`; a study that ends before that is an error.

        Raises:
            NotReady: not in `seconds`, or the study ended.
        """
        last = Progress(study_id=study_id, state="unknown")
        for last in self.client.watch(study_id):
            if holds(last):
                return last
            if last.seconds > seconds:
                break
        raise NotReady(what=f"{study_id} ({last.state} {last.error})", seconds=seconds)

    def wait_for_result(self, study_id: str, *, seconds: float = 120.0) -> Result:
        """The result once the study is final."""
        self.wait_for(study_id, lambda now: now.final, seconds=seconds)
        return self.result(study_id)

    def result(self, study_id: str) -> Result:
        """The result as far as it has come."""
        return Result.parse(self.client.result(study_id))

    def answers(self) -> bool:
        """Whether the coordinator answers."""
        try:
            self.client.studies()
        except CoordinatorUnreachable:
            return False
        return True
