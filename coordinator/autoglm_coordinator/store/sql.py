"""The store over SQLAlchemy Core: SQLite in the state folder, or PostgreSQL by URL; artifacts as files beside it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, insert, select, text, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.artifacts import ArtifactFiles
from autoglm_coordinator.store.blames import BlameTables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.enrolment import EnrolmentTables
from autoglm_coordinator.store.errors import StorageFailed, StoreInUse, StoreVersion
from autoglm_coordinator.store.rosters import RosterTables
from autoglm_coordinator.store.rounds import TuneTables
from autoglm_coordinator.store.running_sums import RunningSums
from autoglm_coordinator.store.sessions import SessionTables
from autoglm_coordinator.store.studies import StudyTables
from autoglm_coordinator.store.traffic import TrafficTables
from autoglm_coordinator.store.trials import TrialTables

_SEQUENCE_BLOCK = 1024
"""Sequence numbers reserved by one commit, so that an offer need not wait for the disk."""

_POSTGRESQL_LOCK = int.from_bytes(b"autoglm")
"""Key of the advisory lock that keeps a second coordinator out of a database."""


class SqlStore(
    EnrolmentTables,
    RosterTables,
    StudyTables,
    TrialTables,
    TuneTables,
    SessionTables,
    BlameTables,
    TrafficTables,
):
    """`Store` over one database, one folder of artifacts and one of running sums."""

    def __init__(self, database: Database, files: ArtifactFiles, sums: RunningSums, *, lock: int | None = None) -> None:
        self._database = database
        self._files = files
        self._sums = sums
        self._lock = lock
        self._sequences = iter(range(0))
        self._reserving = asyncio.Lock()

    async def bump_epoch(self) -> int:
        """See `Store`."""
        return await self._database.write(lambda connection: _advance(connection, "epoch", 1))

    async def next_sequence(self) -> int:
        """See `Store`."""
        async with self._reserving:
            number = next(self._sequences, None)
            if number is None:
                last = await self._database.write(lambda connection: _advance(connection, "sequence", _SEQUENCE_BLOCK))
                self._sequences = iter(range(last - _SEQUENCE_BLOCK + 1, last + 1))
                number = next(self._sequences)
            return number

    async def put_artifact(self, data: bytes | memoryview, *, durable: bool = True) -> str:
        """See `ArtifactStore`."""
        return await asyncio.to_thread(self._files.put, data, durable=durable)

    async def get_artifact(self, sha256: str) -> bytes:
        """See `ArtifactStore`."""
        return await asyncio.to_thread(self._files.get, sha256)

    def open_artifact(self, sha256: str, offset: int = 0) -> tuple[BinaryIO, int]:
        """See `ArtifactStore`."""
        return self._files.open(sha256, offset)

    async def close(self) -> None:
        """See `Store`."""
        await asyncio.to_thread(self._database.close)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def open_store(state: Path, *, url: str | None = None) -> SqlStore:
    """Open the store of the state folder `state`, creating what is missing. `url`: default is SQLite in that folder.

    Blocking; call it before the event loop has other work.

    Raises:
        StoreInUse: another coordinator has this state folder open.
        StoreVersion: written by another version.
        BadStoreUrl: neither SQLite nor PostgreSQL.
        StorageFull, StorageFailed: the folder or the database cannot be used.
    """
    lock = _lock(state)
    try:
        database = Database(url or f"sqlite:///{state / 'coordinator.db'}")
        try:
            database.write_now(_prepare)
            sums = RunningSums(state / "sums", taken=database.write_now(_taken))
            return SqlStore(database, ArtifactFiles(state / "artifacts"), sums, lock=lock)
        except BaseException:
            database.close()
            raise
    except BaseException:
        os.close(lock)
        raise


def _lock(state: Path) -> int:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageFailed() from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreInUse() from error
    return descriptor


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Held by the writer's connection while it lives: the state folder's lock says nothing about other hosts.
        lock = text("SELECT pg_try_advisory_lock(:key)")
        if not connection.execute(lock, {"key": _POSTGRESQL_LOCK}).scalar_one():
            raise StoreInUse()
    tables.metadata.create_all(connection)
    query = select(tables.counters.c.value).where(tables.counters.c.name == "format")
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        connection.execute(insert(tables.counters).values(name="format", value=tables.FORMAT))
    elif found != tables.FORMAT:
        raise StoreVersion(found=found, expected=tables.FORMAT)


def _taken(connection: Connection) -> set[int]:
    return set(connection.execute(select(tables.sessions.c.place)).scalars())


def _advance(connection: Connection, name: str, step: int) -> int:
    mine = tables.counters.c.name == name
    value = connection.execute(select(tables.counters.c.value).where(mine)).scalar_one_or_none()
    if value is None:
        connection.execute(insert(tables.counters).values(name=name, value=step))
        return step
    connection.execute(update(tables.counters).where(mine).values(value=value + step))
    return int(value) + step
