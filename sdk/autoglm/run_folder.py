"""The folder of one simulated run: what a user reads at the top, what the daemons need under `.state`.

runs/quickstart/
    result.json  importance.json  optuna-journal.log
    {front,hypervolume}-one-core.png  best/one-core/{model.onnx,configuration.yaml,README.md}, of texts tokenizer.json
    .state/{simulation.json,lock,coordinator/,operator/,agents/NAME/{agent.toml,state/,data/},logs/}
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autoglm.answers import Pick
from autoglm.errors import FolderInUse, OtherStudyInFolder
from autoglm.pick_archive import FRONT, HYPERVOLUME, write_files, write_whole
from autoglm_core.canonical import Json


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run under `root`."""

    root: Path

    @property
    def state(self) -> Path:
        """Everything that the daemons keep."""
        return self.root / ".state"

    @property
    def coordinator(self) -> Path:
        """The coordinator's state."""
        return self.state / "coordinator"

    @property
    def operator(self) -> Path:
        """The operator's credentials."""
        return self.state / "operator"

    @property
    def operator_token(self) -> Path:
        """The first operator token, between `init` and `login`."""
        return self.state / "operator-token"

    @property
    def roster_mark(self) -> Path:
        """Exists once a roster was proposed."""
        return self.state / "roster-proposed"

    @property
    def result(self) -> Path:
        """The finished study's result; absent until then."""
        return self.root / "result.json"

    @property
    def importance(self) -> Path:
        """Which parameters matter for which objective."""
        return self.root / "importance.json"

    @property
    def optuna_journal(self) -> Path:
        """The trials for Optuna and optuna-dashboard."""
        return self.root / "optuna-journal.log"

    def agent(self, name: str) -> Path:
        """One agent's folder."""
        return self.state / "agents" / name

    def log(self, name: str) -> Path:
        """One daemon's output."""
        return self.state / "logs" / f"{name}.log"

    @contextmanager
    def claim(self, identity: Json) -> Iterator[None]:
        """Hold the folder for the simulation that `identity` describes.

        Raises:
            FolderInUse: another process holds it.
            OtherStudyInFolder: it was made for another simulation.
        """
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderInUse(folder=str(self.root)) from error
            self._check(identity)
            yield

    def _check(self, identity: Json) -> None:
        path = self.state / "simulation.json"
        if not path.exists():
            write_whole(path, json.dumps(identity, sort_keys=True, indent=2).encode())
        elif json.loads(path.read_bytes()) != identity:
            raise OtherStudyInFolder(folder=str(self.root))

    def write_pick(self, device_class: str, pick: Pick) -> None:
        """The best variant of a device class: its files under `best/`, the plots of the class beside the result."""
        files = dict(pick.files)
        plots = {name: files.pop(name) for name in (FRONT, HYPERVOLUME) if name in files}
        write_files(files, self.root / "best" / device_class)
        for name, content in plots.items():
            write_whole(self.root / f"{Path(name).stem}-{device_class}.png", content)

    def write_result(self, content: bytes) -> None:
        """Last of all: a run with a result is a finished run."""
        write_whole(self.result, content)
