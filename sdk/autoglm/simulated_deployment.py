"""A whole deployment on this machine: coordinator and agents as processes, over loopback, with nothing left out.

Certificates, mutual TLS 1.3, tokens, roster, approval and masking are those of a real deployment; only two things are
not: the roster is made here, not read over the phone, and the agents' policy says `simulated`, so that they approve
by themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from autoglm.control import ControlClient, login_with_token, refreshed
from autoglm.credentials import OperatorCredentials, load_credentials, save_credentials
from autoglm.errors import NotLoggedIn
from autoglm.processes import Daemon, program, run_to_end, stop_all, wait_until
from autoglm.run_folder import RunFolder

READY = "autoglm-coordinator ready "
START_SECONDS, JOIN_SECONDS, CONNECT_SECONDS, DRAIN_SECONDS = 60.0, 60.0, 90.0, 20.0
TOKEN_VALID = timedelta(hours=1)
REVIVALS = 3
"""Times that one daemon is started again before its death counts as a failure."""


@dataclass(frozen=True)
class AgentFiles:
    """An agent that shall run: its `name` and the path of its agent.toml. `site`: whether it stands in the roster."""

    name: str
    config: Path
    site: bool

    @property
    def joined_mark(self) -> Path:
        """Exists once `join` succeeded: a token is good for one use."""
        return self.config.with_name(".joined")


class SimulatedDeployment:
    """Starts the daemons on entry, drains and stops every one of them on exit, however that comes."""

    def __init__(self, folder: RunFolder, agents: Sequence[AgentFiles], *, minimum_cohort: int) -> None:
        self._folder = folder
        self._agents = tuple(agents)
        self._minimum_cohort = minimum_cohort
        self._daemons: dict[str, Daemon] = {}
        self._revivals: dict[str, int] = {}
        self._client: ControlClient | None = None

    def __enter__(self) -> SimulatedDeployment:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def client(self) -> ControlClient:
        """The operator's connection; inside the context only."""
        if self._client is None:
            raise NotLoggedIn
        return self._client

    def daemon(self, name: str) -> Daemon:
        """One of the daemons, by agent name or `coordinator`."""
        return self._daemons[name]

    def _start(self) -> None:
        token = self._initialise()
        self._start_coordinator()
        self._client = ControlClient(self._credentials(token))
        self._join_agents()
        for agent in self._agents:
            self._run(agent.name, [program("autoglm-agent"), "run", "--config", str(agent.config)])
        self._wait_for_agents()
        self._agree_on_roster()

    def _initialise(self) -> str | None:
        """Make the coordinator's state unless it is there; returns the operator token that was not used yet."""
        kept = self._folder.operator_token
        if not kept.exists() and not _logged_in(self._folder.operator):
            # An `init` whose token was lost is worth nothing: begin again.
            shutil.rmtree(self._folder.coordinator, ignore_errors=True)
            command = [program("autoglm-coordinator"), "init", "--state", str(self._folder.coordinator)]
            command += ["--address", "127.0.0.1", "--join-port", "0", "--port", "0"]
            printed = run_to_end("autoglm-coordinator init", command, seconds=START_SECONDS)
            kept.touch(mode=0o600)
            kept.write_text(next(word for word in printed.split() if word.startswith("AGM1.")))
        return kept.read_text() if kept.exists() else None

    def _start_coordinator(self) -> None:
        command = [program("autoglm-coordinator"), "run", "--state", str(self._folder.coordinator)]
        self._run("coordinator", command).wait_for_line(READY, seconds=START_SECONDS)

    def _run(self, name: str, command: Sequence[str]) -> Daemon:
        daemon = Daemon(name, command, log=self._folder.log(name))
        self._daemons[name] = daemon
        daemon.start()
        return daemon

    def _credentials(self, token: str | None) -> OperatorCredentials:
        if token is not None:
            save_credentials(login_with_token(token), self._folder.operator)
            self._folder.operator_token.unlink()
        credentials = refreshed(load_credentials(self._folder.operator), now=datetime.now(UTC))
        save_credentials(credentials, self._folder.operator)
        return credentials

    def _join_agents(self) -> None:
        """Enrol whoever is not yet; two at a time, as each is a process of its own."""
        new = [agent for agent in self._agents if not agent.joined_mark.exists()]
        tokens = [self.client.create_join_token(agent.name, valid=TOKEN_VALID) for agent in new]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for _ in pool.map(_join, new, tokens):
                pass

    def _wait_for_agents(self) -> None:
        names = {agent.name for agent in self._agents}

        def connected() -> bool:
            self._check_alive()
            return names <= {agent.name for agent in self.client.agents() if agent.connected}

        wait_until(connected, what="the agents", seconds=CONNECT_SECONDS)

    def _agree_on_roster(self) -> None:
        """Propose the sites' roster once; the simulated sites accept it by themselves."""
        sites = [agent.name for agent in self._agents if agent.site]
        if not sites:
            return
        if not self._folder.roster_mark.exists():
            self.client.propose_roster(sites, minimum_cohort=self._minimum_cohort)
            self._folder.roster_mark.touch()

        def accepted() -> bool:
            self._check_alive()
            return self.client.roster().accepted

        wait_until(accepted, what="the roster", seconds=CONNECT_SECONDS)

    def _check_alive(self) -> None:
        for daemon in self._daemons.values():
            if not daemon.running:
                raise daemon.ended()

    def revive(self, say: Callable[[str], None]) -> None:
        """Start daemons again that ended by themselves, as a service manager would.

        Raises:
            DaemonEnded: one ended more than `REVIVALS` times.
        """
        for name, daemon in self._daemons.items():
            if daemon.running:
                continue
            self._revivals[name] = self._revivals.get(name, 0) + 1
            if self._revivals[name] > REVIVALS:
                raise daemon.ended()
            say(f"{name} ended and is started again")
            daemon.start()

    def stop(self) -> None:
        """Drain and end everything."""
        if self._client is not None:
            self._client.close()
            self._client = None
        stop_all(list(self._daemons.values()), seconds=DRAIN_SECONDS)


def _logged_in(folder: Path) -> bool:
    try:
        load_credentials(folder)
    except NotLoggedIn:
        return False
    return True


def _join(agent: AgentFiles, token: str) -> None:
    command = [program("autoglm-agent"), "join", token, "--config", str(agent.config)]
    run_to_end(f"autoglm-agent join ({agent.name})", command, seconds=JOIN_SECONDS)
    agent.joined_mark.touch()
