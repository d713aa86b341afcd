"""What a site's own files say that it gave out: its ledger and its audit log, read beside the running agent."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoglm_agent.audit import verify
from autoglm_agent.state import StateFolder

VECTOR, STATEMENT, UNMASK = "masked-vector", "session-survivor-signature", "session-unmask"


@dataclass(frozen=True)
class Release:
    """Shares went out for a sum over `survivors`, to which this site gave the input of hash `input`."""

    survivors: str
    models: str
    input: str


@dataclass(frozen=True)
class SiteRecord:
    """One look.

    `sessions`: SHA-256 of the vector by session id, as the ledger has them. `releases`: by (model, purpose).
    `vectors`, `statements`, `unmasks`: SHA-256 of every masked vector, of every signature over a survivor list and of
    every release that left, in order, as the audit log has them.
    """

    sessions: Mapping[bytes, str]
    releases: Mapping[tuple[str, str], Release]
    vectors: tuple[str, ...]
    statements: tuple[str, ...]
    unmasks: tuple[str, ...]

    @classmethod
    def read(cls, home: Path) -> SiteRecord:
        """Look into the folder of an agent; the audit log's chain is checked."""
        state = StateFolder(home / "state")
        entries = list(verify(state.audit))
        return cls(
            sessions={row[0]: row[1] for row in _rows(state, "SELECT session_id, vector FROM sessions")},
            releases={
                (row[0], row[1]): Release(*row[2:])
                for row in _rows(state, "SELECT model, purpose, survivors, models, input FROM releases")
            },
            vectors=tuple(entry.sha256 for entry in entries if entry.kind == VECTOR),
            statements=tuple(entry.sha256 for entry in entries if entry.kind == STATEMENT),
            unmasks=tuple(entry.sha256 for entry in entries if entry.kind == UNMASK),
        )

    def of(self, purpose: str) -> list[Release]:
        """Releases of one purpose."""
        return [release for (_, of, *_), release in self.releases.items() if of == purpose]


def _rows(state: StateFolder, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{state.ledger}?mode=ro", uri=True, timeout=10.0)) as connection:
        return connection.execute(query).fetchall()
