"""What the coordinator's store holds now, read beside the running daemon: the truth that a kill may not change."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import Trial


@dataclass(frozen=True)
class StoredRound:
    """A committed round; round 0 is the initial model. `weights` and `state` of the aggregator: their SHA-256."""

    tune_key: str
    round: int
    weights: str
    state: str | None
    session: bytes
    survivors: tuple[str, ...]
    dropped: tuple[str, ...]
    counters: dict[str, Any]
    cost: TrainingCost


@dataclass(frozen=True)
class OpenSession:
    """A session whose survivors are fixed and whose sum was not used yet. `givers`: sites whose shares are stored."""

    spec: SessionSpec
    givers: tuple[str, ...]


class Stored:
    """Reads `coordinator.db` in the coordinator's state folder; every look is one consistent view."""

    def __init__(self, state: Path) -> None:
        self.path = state / "coordinator.db"

    def count(self, kind: str) -> int:
        """Stage results of that kind: TUNE, COMPRESS, EVALUATE, TEST, PROBE, CONSTANTS, RUNG or END."""
        return int(self._rows("SELECT COUNT(*) FROM stages WHERE kind = ?", kind)[0][0])

    def trial_states(self) -> list[str]:
        """The state of every trial, by number."""
        return [str(trial.state) for trial in self.trials()]

    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return [Trial.from_json(json.loads(body)) for (body,) in self._rows("SELECT body FROM trials ORDER BY number")]

    def study_states(self) -> list[str]:
        """The state of every study."""
        return [state for (state,) in self._rows("SELECT state FROM studies")]

    def size(self) -> int:
        """How much is stored: grows with everything that a study comes to."""
        return sum(
            int(self._rows(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608  constants
            for table in ("trials", "stages", "rounds", "sessions", "unmask_shares")
        )

    def rounds(self) -> list[StoredRound]:
        """Every committed round of every TUNE, in order of their commit."""
        return [
            StoredRound(
                row["tune_key"],
                row["round"],
                row["model"],
                row["aggregator_state"],
                row["session_id"],
                tuple(json.loads(row["survivors"])),
                tuple(json.loads(row["dropped"])),
                json.loads(row["counters"]),
                TrainingCost.from_json(json.loads(row["cost"])),
            )
            for row in self._rows("SELECT * FROM rounds ORDER BY rowid")
        ]

    def weights(self) -> dict[tuple[str, int], str]:
        """SHA-256 of the weights by TUNE key and round."""
        return {(entry.tune_key, entry.round): entry.weights for entry in self.rounds()}

    def open_sessions(self) -> list[OpenSession]:
        """Sessions between the durable survivor list and the use of their sum."""
        rows = self._rows(
            "SELECT spec, GROUP_CONCAT(site_id) FROM sessions LEFT JOIN unmask_shares USING (session_id) "
            "GROUP BY session_id"
        )
        return [
            OpenSession(SessionSpec.decode(spec), tuple(sorted(filter(None, (given or "").split(",")))))
            for spec, given in rows
        ]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10.0)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()
