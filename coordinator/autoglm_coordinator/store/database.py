"""One writer with group commit, readers beside it.

Changes queue up for one writer thread, which takes all that wait and commits them together: one fsync for many
callers. Each change runs in a savepoint of its own, so that one that fails takes nothing with it. When the database
itself fails in the middle (a full disk may roll the whole transaction back), the changes of that batch are tried
again one by one; they must therefore be functions of the database alone. A connection per caller was rejected: SQLite
has one writer anyway, and with synchronous=FULL each commit costs an fsync (110 commits a second on a plain disk).
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from autoglm_coordinator.store.errors import StorageFailed, StorageFull, StoreClosed
from autoglm_core.errors import AutoglmError, InvalidInput

T = TypeVar("T")
Change = Callable[[Connection], T]

_BATCH = 256
"""Changes per commit at most, so that the first of a flood does not wait for the last."""
_POSTGRESQL_DISK_FULL = "53100"

_log = logging.getLogger(__name__)


class BadStoreUrl(InvalidInput):
    """The configured store is neither `sqlite:///path` nor a PostgreSQL URL with an installed driver."""

    code = "bad-store-url"

    def __init__(self) -> None:
        super().__init__(
            "store.url is neither sqlite:///path nor postgresql+driver://host/name with that driver installed"
        )


@dataclass(frozen=True)
class _Pending:
    """A change that waits for the writer, and where its outcome goes."""

    change: Change[Any]
    outcome: Future[Any]


class Database:
    """Runs changes and queries for asyncio callers. Build it in any thread; `close` it once."""

    def __init__(self, url: str) -> None:
        self._writing = _engine(url, write=True)
        self._reading = _engine(url, write=False)
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._closing = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._writer.start()

    async def write(self, change: Change[T]) -> T:
        """Run `change` in the next commit; its value once that commit is on disk.

        A caller that is cancelled before the writer took its change leaves no trace; after that the change is made.
        """
        return await asyncio.wrap_future(self._submit(change))

    def write_now(self, change: Change[T]) -> T:
        """As `write`, for callers outside an event loop."""
        return self._submit(change).result()

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on committed data."""
        if self._closed:
            raise StoreClosed()
        return await asyncio.wrap_future(self._readers.submit(self._query, query))

    def close(self) -> None:
        """Finish what is queued, then release the connections. A second call does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    def _submit(self, change: Change[T]) -> Future[T]:
        outcome: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise StoreClosed()
            self._queue.put(_Pending(change, outcome))
        return outcome

    def _query(self, query: Callable[[Connection], T]) -> T:
        with _typed_errors(), self._reading.connect() as connection:
            return query(connection)

    def _serve(self) -> None:
        while batch := self._next_batch():
            started = [pending for pending in batch if pending.outcome.set_running_or_notify_cancel()]
            if started:
                self._commit(started)

    def _next_batch(self) -> list[_Pending]:
        pending = self._queue.get()
        batch: list[_Pending] = []
        while pending is not None:
            batch.append(pending)
            if len(batch) == _BATCH or self._queue.empty():
                return batch
            pending = self._queue.get()
        if batch:
            self._queue.put(None)
        return batch

    def _commit(self, batch: list[_Pending]) -> None:
        try:
            with _typed_errors():
                outcomes = self._transact(batch)
        except Exception as error:
            if len(batch) > 1:
                for pending in batch:
                    self._commit([pending])
            else:
                batch[0].outcome.set_exception(error)
            return
        for pending, (value, failure) in zip(batch, outcomes, strict=True):
            if failure is None:
                pending.outcome.set_result(value)
            else:
                pending.outcome.set_exception(failure)

    def _transact(self, batch: list[_Pending]) -> list[tuple[Any, Exception | None]]:
        with self._writing.begin() as connection:
            if len(batch) == 1:
                return [(batch[0].change(connection), None)]
            return [_isolated(connection, pending.change) for pending in batch]


def _isolated(connection: Connection, change: Change[Any]) -> tuple[Any, Exception | None]:
    try:
        with connection.begin_nested():
            return change(connection), None
    except DBAPIError:
        raise
    except Exception as error:
        return None, error


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        _log.error("the store's database failed: %s", error.orig)
        raise _storage_error(error.orig) from error


def _storage_error(cause: BaseException | None) -> AutoglmError:
    # A quota and a file size limit reach SQLite as a write error, not as a full disk.
    full = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
    if getattr(cause, "sqlite_errorcode", None) in full or getattr(cause, "sqlstate", None) == _POSTGRESQL_DISK_FULL:
        return StorageFull()
    return StorageFailed()


def _engine(url: str, *, write: bool) -> Engine:
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, pool_size=1 if write else 2, max_overflow=0)
    except (ArgumentError, NoSuchModuleError, ImportError, TypeError) as error:
        raise BadStoreUrl() from error
    if parsed.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, write=write)
    elif parsed.get_backend_name() != "postgresql":
        raise BadStoreUrl()
    return engine


def _prepare_sqlite(engine: Engine, *, write: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, record: object) -> None:
        # The driver would otherwise begin and commit by its own rules, and never around a savepoint.
        connection.isolation_level = None
        pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON") if write else ("query_only=ON",)
        for pragma in ("busy_timeout=10000", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
