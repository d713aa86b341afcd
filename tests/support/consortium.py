"""A consortium as people run it: an operator, administrators who are asked, each with a folder and a terminal.

Where `Cluster` plays every administrator by itself, here nobody decides unless a test types it: programs are run with
their arguments, and what they print is what a test sees.

    with Consortium(folder, Member("st-mary"), Member("va")) as consortium:
        consortium.gather()
        consortium.operator.types("submit", "heart.yaml")
        consortium["st-mary"].types("approve", study)
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from autoglm.control import ControlClient
from autoglm.credentials import load_credentials
from autoglm.errors import CoordinatorUnreachable
from autoglm.processes import Daemon, daemon_environment, program, stop_all, wait_until
from autoglm.simulated_deployment import READY
from autoglm_agent.ledger import Ledger
from autoglm_agent.state import StateFolder

COMMAND_SECONDS, START_SECONDS, DRAIN_SECONDS = 60.0, 30.0, 20.0
TOKEN_VALID = timedelta(minutes=10)
HOME = "AUTOGLM_HOME"


class Terminal:
    """One person's terminal: a program, run in a folder of their own."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._name = name

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type `words`; whatever comes of it, a traceback is a defect."""
        done = subprocess.run(
            [program(self._name), *words],
            cwd=self.folder,
            env={**daemon_environment(), HOME: str(self.folder / "home")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def types(self, *words: str) -> str:
        """What is printed; the command must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str) -> str:
        """The one line that says why the command was refused."""
        done = self.run(*words)
        lines = done.stderr.splitlines()
        assert done.returncode in (1, 2), f"{words} was not refused: {done.stdout}{done.stderr}"
        assert len(lines) == 1, f"one clear error expected: {done.stdout}{done.stderr}"
        return lines[0]


@dataclass(frozen=True)
class Member:
    """An agent to be: `table` is what its agent.toml holds besides name and state."""

    name: str
    table: str = ""
    site: bool = True


class Administrator(Terminal):
    """Who decides at one site or device, and the daemon there."""

    def __init__(self, member: Member, folder: Path, log: Path) -> None:
        super().__init__(folder, "autoglm-agent")
        self.member = member
        self.state = StateFolder(folder / "state")
        (folder / "agent.toml").write_text(f'name = "{member.name}"\nstate = "state"\n{member.table}')
        self.daemon = Daemon(member.name, [program("autoglm-agent"), "run", "--config", str(self.config)], log=log)

    @property
    def config(self) -> Path:
        """Its agent.toml."""
        return self.folder / "agent.toml"

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """What its daemon was offered, without the cost of a command."""
        ledger = Ledger(self.state.ledger)
        try:
            yield ledger
        finally:
            ledger.close()


class Consortium:
    """The coordinator, its operator and `members`, who have not joined yet."""

    def __init__(self, root: Path, *members: Member) -> None:
        self.logs = root / "logs"
        self.coordinator_state = root / "coordinator" / "state"
        self.operator = Terminal(root / "operator", "autoglm")
        self.members = {
            member.name: Administrator(member, root / "sites" / member.name, self.logs / f"{member.name}.log")
            for member in members
        }
        self._host = Terminal(root / "coordinator", "autoglm-coordinator")
        run = [program("autoglm-coordinator"), "run", "--state", str(self.coordinator_state)]
        self.coordinator = Daemon("coordinator", run, log=self.logs / "coordinator.log")
        self._clients = ExitStack()
        self._client: ControlClient | None = None

    def __enter__(self) -> Consortium:
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, name: str) -> Administrator:
        return self.members[name]

    @property
    def client(self) -> ControlClient:
        """The operator's connection, for what a test asks often."""
        if self._client is None:
            credentials = load_credentials(self.operator.folder / "home")
            self._client = self._clients.enter_context(ControlClient(credentials))
        return self._client

    def _begin(self) -> None:
        ports = ("--join-port", "0", "--port", "0")
        printed = self._host.types("init", "--state", "state", "--address", "127.0.0.1", *ports)
        token = next(word for word in printed.split() if word.startswith("AGM1."))
        self.start_coordinator()
        self.operator.types("login", token)

    def start_coordinator(self) -> None:
        """Start its daemon; both ports are open afterwards."""
        self.coordinator.start()
        self.coordinator.wait_for_line(READY, seconds=START_SECONDS)

    def join(self, *names: str) -> None:
        """Each named member joins with a token of its own and starts its daemon; all are connected afterwards."""
        tokens = [self.client.create_join_token(name, valid=TOKEN_VALID) for name in names]
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda name, token: self[name].types("join", token), names, tokens))
        for name in names:
            self[name].daemon.start()
        self.wait_connected(*names)

    def gather(self) -> None:
        """Everybody joins, and every site accepts the roster."""
        self.join(*self.members)
        self.agree()

    def agree(self, *names: str) -> str:
        """A roster over the named sites, or all, accepted by each; its hash."""
        sites = [self[name] for name in names] or [admin for admin in self.members.values() if admin.member.site]
        roster = self.client.propose_roster([admin.member.name for admin in sites], minimum_cohort=3)
        for admin in sites:
            self.wait_offered(admin, roster.hash)
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda admin: admin.types("roster", "accept", roster.hash[:16]), sites))
        wait_until(lambda: self.client.roster().accepted, what="the roster", seconds=START_SECONDS)
        return roster.hash

    def answers(self) -> bool:
        """Whether the coordinator answers its operator."""
        try:
            self.client.agents()
        except CoordinatorUnreachable:
            return False
        return True

    def wait_offered(self, admin: Administrator, roster_hash: str) -> None:
        """Return once the site's administrator can see the roster whose hash begins so."""
        with admin.ledger() as ledger:
            wait_until(
                lambda: any(entry.hash.startswith(roster_hash) for entry in ledger.rosters()),
                what=f"roster at {admin.member.name}",
                seconds=20,
            )

    def wait_connected(self, *names: str) -> None:
        """Return once the named agents' streams are open."""

        def connected() -> bool:
            return set(names) <= {agent.name for agent in self.client.agents() if agent.connected}

        wait_until(connected, what=f"agents {names}", seconds=START_SECONDS)

    def state_of(self, study_id: str) -> str:
        """As `autoglm status` has it."""
        return next(study.state for study in self.client.studies() if study.id == study_id)

    def wait_state(self, study_id: str, *states: str, seconds: float = 60.0) -> str:
        """The first of `states` that the study reaches."""
        wait_until(lambda: self.state_of(study_id) in states, what=f"{study_id} {states}", seconds=seconds)
        return self.state_of(study_id)

    def decide(self, word: str, study_id: str, *names: str) -> None:
        """Each named administrator types approve, deny or withdraw, once the study was offered there."""
        for name in names:
            self.wait_offer(name, study_id)
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda name: self[name].types(word, study_id), names))

    def wait_offer(self, name: str, study_id: str) -> None:
        """Return once the named administrator sees the study."""
        with self[name].ledger() as ledger:
            wait_until(
                lambda: study_id in {entry.study_id for entry in ledger.studies()},
                what=f"{study_id} at {name}",
                seconds=20,
            )

    def logged(self) -> str:
        """Everything that every daemon wrote."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.glob("*.log")))

    def stop(self) -> None:
        """Drain and end everything."""
        self._clients.close()
        self._client = None
        stop_all([self.coordinator, *(admin.daemon for admin in self.members.values())], seconds=DRAIN_SECONDS)
