"""What a site must never forget: the roster it accepted, its decisions, and what it gave out under which session.

SQLite with WAL and synchronous=FULL: a method that returned is on disk. The command line writes decisions from a
process of its own, so nothing is cached here. Methods block for a disk flush; the daemon calls them in a thread.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from autoglm_agent.errors import SessionReused, UnknownStudy
from autoglm_core.codes import RefusalCode
from autoglm_core.privacy.errors import UnmaskIncomplete
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.site_events import RecordRelease
from autoglm_core.training_cost import TrainingCost

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rosters (hash TEXT PRIMARY KEY, body BLOB NOT NULL, accepted INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS studies (study_id TEXT PRIMARY KEY, hash TEXT NOT NULL, body BLOB NOT NULL,
    roster_hash TEXT NOT NULL, state TEXT NOT NULL, code TEXT NOT NULL, place INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS checked (data TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (session_id BLOB PRIMARY KEY, study_id TEXT NOT NULL, vector TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS releases (model TEXT NOT NULL, purpose TEXT NOT NULL, survivors TEXT NOT NULL,
    models TEXT NOT NULL, input TEXT NOT NULL, PRIMARY KEY (model, purpose));
CREATE TABLE IF NOT EXISTS costs (training TEXT PRIMARY KEY, cost TEXT NOT NULL);
"""
MOST_UNANSWERED = 256
"""Rosters that nobody accepted, and studies that nobody approved or withdrew: the newest stay."""
_UNANSWERED = "('offered', 'denied', 'ended')"
_UNSEEN = 2
"""In `rosters.accepted`: 0 not accepted, 1 by an administrator, 2 unseen."""
_STUDY_COLUMNS = "study_id, hash, body, roster_hash, state, code"


class StudyState(StrEnum):
    """Where a study stands at this site."""

    OFFERED = "offered"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


@dataclass(frozen=True)
class StudyEntry:
    """A study as it was offered: `body` is its canonical JSON, `hash` the SHA-256 of that."""

    study_id: str
    hash: str
    body: bytes
    roster_hash: str
    state: StudyState
    code: RefusalCode


@dataclass(frozen=True)
class RosterEntry:
    """A roster as it was offered, and whether this site accepted it: its administrator, or unseen if `simulated`."""

    hash: str
    body: bytes
    accepted: bool
    simulated: bool


class Ledger:
    """One site's ledger at `path`; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def offer_roster(self, roster_hash: str, body: bytes) -> None:
        """Remember a roster that was offered; what was decided about it stands."""
        self._write(
            "INSERT INTO rosters (hash, body, place) VALUES (?, ?, (SELECT COALESCE(MAX(place), 0) + 1 FROM rosters)) "
            "ON CONFLICT (hash) DO UPDATE SET place = (SELECT MAX(place) + 1 FROM rosters)",
            (roster_hash, body),
        )
        self._write(
            "DELETE FROM rosters WHERE accepted = 0 AND hash NOT IN "
            "(SELECT hash FROM rosters WHERE accepted = 0 ORDER BY place DESC LIMIT ?)",
            (MOST_UNANSWERED,),
        )

    def accept_roster(self, roster_hash: str, *, simulated: bool = False) -> None:
        """Pin a roster that was offered. Earlier ones stay accepted for the studies that run under them.

        `simulated`: nobody looked at it; what an administrator accepted stays so.
        """
        if simulated:
            self._write("UPDATE rosters SET accepted = ? WHERE hash = ? AND accepted = 0", (_UNSEEN, roster_hash))
        else:
            self._write("UPDATE rosters SET accepted = 1 WHERE hash = ?", (roster_hash,))

    def rosters(self) -> list[RosterEntry]:
        """Every roster ever offered, the latest last."""
        rows = self._read("SELECT hash, body, accepted FROM rosters ORDER BY place")
        return [RosterEntry(row[0], row[1], bool(row[2]), row[2] == _UNSEEN) for row in rows]

    def accepted_roster(self, roster_hash: str | None = None) -> RosterEntry | None:
        """The accepted roster of that hash, or the latest accepted one."""
        accepted = [entry for entry in self.rosters() if entry.accepted and roster_hash in (None, entry.hash)]
        return accepted[-1] if accepted else None

    def offer_study(self, study_id: str, *, study_hash: str, body: bytes, roster_hash: str) -> StudyEntry:
        """Remember a study. Offered again unchanged, the decision stands; changed, it is a new question."""
        self._write(
            "INSERT INTO studies VALUES (?, ?, ?, ?, 'offered', 'ok', (SELECT COALESCE(MAX(place), 0) + 1 "
            "FROM studies)) "
            "ON CONFLICT (study_id) DO UPDATE SET hash = excluded.hash, body = excluded.body, "
            "roster_hash = excluded.roster_hash, state = 'offered', code = 'ok' "
            "WHERE studies.hash <> excluded.hash OR studies.roster_hash <> excluded.roster_hash",
            (study_id, study_hash, body, roster_hash),
        )
        self._write(
            f"DELETE FROM studies WHERE state IN {_UNANSWERED} AND study_id NOT IN "  # noqa: S608
            f"(SELECT study_id FROM studies WHERE state IN {_UNANSWERED} ORDER BY place DESC LIMIT ?)",
            (MOST_UNANSWERED,),
        )
        return self.study(study_id)

    def decide(self, study_id: str, state: StudyState, code: RefusalCode = RefusalCode.OK) -> StudyEntry:
        """Write a decision; raises `UnknownStudy`."""
        self.study(study_id)
        self._write("UPDATE studies SET state = ?, code = ? WHERE study_id = ?", (str(state), str(code), study_id))
        return self.study(study_id)

    def study(self, study_id: str) -> StudyEntry:
        """The study of that id; raises `UnknownStudy`."""
        rows = self._read(f"SELECT {_STUDY_COLUMNS} FROM studies WHERE study_id = ?", (study_id,))  # noqa: S608
        if not rows:
            raise UnknownStudy(study_id=study_id)
        return _study(rows[0])

    def studies(self) -> list[StudyEntry]:
        """Every study ever offered, in order of the first offer."""
        return [_study(row) for row in self._read(f"SELECT {_STUDY_COLUMNS} FROM studies ORDER BY place")]  # noqa: S608

    def remember_check(self, data: str, body: bytes) -> None:
        """Keep the study of the latest dry run over a dataset, for `autoglm-agent data check`."""
        self._write(
            "INSERT INTO checked VALUES (?, ?) ON CONFLICT (data) DO UPDATE SET body = excluded.body", (data, body)
        )

    def checked(self, data: str) -> bytes | None:
        """The study of the latest dry run over that dataset, in canonical form."""
        rows = self._read("SELECT body FROM checked WHERE data = ?", (data,))
        return bytes(rows[0][0]) if rows else None

    def store_epoch(self) -> int:
        """The highest store epoch that this site has seen."""
        rows = self._read("SELECT value FROM numbers WHERE name = 'store_epoch'")
        return int(rows[0][0]) if rows else 0

    def raise_store_epoch(self, epoch: int) -> None:
        """Remember `epoch` unless a higher one was seen."""
        self._write(
            "INSERT INTO numbers VALUES ('store_epoch', ?) "
            "ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)",
            (epoch,),
        )

    def use_session(self, session_id: bytes, *, study_id: str, vector: str) -> None:
        """Before a masked vector's first byte leaves: its session and its SHA-256.

        Raises:
            SessionReused: this session's vector was recorded before.
        """
        try:
            self._write("INSERT INTO sessions VALUES (?, ?, ?)", (session_id, study_id, vector))
        except sqlite3.IntegrityError:
            raise SessionReused from None

    def session_used(self, session_id: bytes) -> bool:
        """Whether a vector ever left under that id."""
        return bool(self._read("SELECT 1 FROM sessions WHERE session_id = ?", (session_id,)))

    def record_release(self, release: RecordRelease) -> None:
        """Before shares leave.

        The first release of a model and purpose stands. It is looked for in the transaction that records the next one:
        two sessions that began side by side each saw none, and both sums together would hold one site's vector.

        Raises:
            UnmaskIncomplete: shares for one of the models went out over other survivors or another input.
        """
        survivors, models = json.dumps(release.survivors), json.dumps(release.models)
        purpose, kept = str(release.purpose), release.input_hash
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            known = _releases(self._connection, release.models, release.purpose)
            if any((first.survivors, first.input_hash) != (release.survivors, kept) for first in known):
                raise UnmaskIncomplete
            self._connection.executemany(
                "INSERT OR IGNORE INTO releases (model, purpose, survivors, models, input) VALUES (?, ?, ?, ?, ?)",
                [(model, purpose, survivors, models, kept) for model in release.models],
            )

    def first_cost(self, training: str, cost: TrainingCost) -> TrainingCost:
        """What the training of that name cost when it was done first; `cost` where this is the first time.

        Done again it costs other joules, and a release is not repeated over another input. So it is told as it was.
        """
        self._write("INSERT OR IGNORE INTO costs VALUES (?, ?)", (training, json.dumps(cost.to_json())))
        ((first,),) = self._read("SELECT cost FROM costs WHERE training = ?", (training,))
        return TrainingCost.from_json(json.loads(first))

    def releases(self, subjects: Sequence[str], purpose: Purpose) -> list[RecordRelease]:
        """What was released before for any of `subjects` under `purpose`."""
        with self._lock:
            return _releases(self._connection, subjects, purpose)

    def _write(self, statement: str, values: Sequence[object]) -> None:
        with self._lock:
            self._connection.execute(statement, values)

    def _read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _releases(connection: sqlite3.Connection, subjects: Sequence[str], purpose: Purpose) -> list[RecordRelease]:
    query = "SELECT survivors, models, input FROM releases WHERE model = ? AND purpose = ?"
    rows = [row for subject in subjects for row in connection.execute(query, (subject, str(purpose)))]
    return [RecordRelease(tuple(json.loads(row[0])), tuple(json.loads(row[1])), purpose, row[2]) for row in rows]


def _study(row: tuple[Any, ...]) -> StudyEntry:
    return StudyEntry(row[0], row[1], row[2], row[3], StudyState(row[4]), RefusalCode(row[5]))
