"""The store under a full disk, a killed process and a damaged file: what was acknowledged stays."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from autoglm_coordinator.store import errors, tables
from autoglm_coordinator.store.api import RoundRecord, Store
from autoglm_coordinator.store.artifacts import ArtifactFiles
from autoglm_coordinator.store.database import BadStoreUrl, Database
from autoglm_coordinator.store.running_sums import RunningSums
from autoglm_coordinator.store.sql import SqlStore, open_store
from autoglm_core.canonical import digest
from autoglm_core.configuration import Configuration
from support.store_victim import SAID
from support.stores import Deployment, agent, first_round, next_round, study, trial

TUNE = "t" * 64
TESTS = Path(__file__).parents[1]


def victim(story: str, state: Path) -> subprocess.Popen[str]:
    """`support.store_victim` running `story` on `state`."""
    command = [sys.executable, "-m", "support.store_victim", story, str(state)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def acknowledged(lines: list[str]) -> list[tuple[int, str]]:
    """(round, model) as the victim said."""
    words = [line.split() for line in lines if line.startswith(SAID) and line.endswith("\n")]
    return [(int(number), model) for _, number, model in words]


def stored(state: Path) -> list[RoundRecord]:
    """Committed rounds, each with its readable weights."""

    async def story(store: Store) -> list[RoundRecord]:
        records = await store.rounds(TUNE)
        for record in records:
            assert await store.get_artifact(record.model)
        return records

    return Deployment(state).run(story)


@pytest.mark.parametrize("after", [1, 7, 23])
def test_kill_9_loses_no_acknowledged_round_and_counts_none_twice(tmp_path: Path, after: int) -> None:
    with victim("killed", tmp_path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after)]
        process.kill()
        lines += process.stdout.readlines()
    said, found = acknowledged(lines), stored(tmp_path)
    assert len(said) >= after
    assert [(record.round, record.model) for record in found][: len(said)] == said
    assert [record.round for record in found] == list(range(len(found)))
    # At most the one commit whose acknowledgement the kill cut off.
    assert len(found) - len(said) <= 1

    async def go_on(store: Store) -> None:
        await store.commit_round(await next_round(store, found[-1]))

    Deployment(tmp_path).run(go_on)
    assert len(stored(tmp_path)) == len(found) + 1


def test_a_file_size_limit_ends_in_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    with victim("full", tmp_path) as process:
        assert process.stdout is not None
        lines = process.stdout.readlines()
    said = acknowledged(lines)
    assert len(said) >= 2
    assert lines[-1].split() == ["full", str(len(said))]
    assert [(record.round, record.model) for record in stored(tmp_path)] == said


def limit_pages(connection: Connection, extra: int) -> None:
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + extra}")


def test_a_full_database_keeps_what_it_has_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    state = tmp_path / "state"

    async def story() -> None:
        await open_store(state).close()
        database = Database(f"sqlite:///{state / 'coordinator.db'}")
        store = SqlStore(database, ArtifactFiles(state / "artifacts"), RunningSums(state / "sums", taken=()))
        await store.put_agent(agent())
        await database.write(lambda connection: limit_pages(connection, 1))
        with pytest.raises(errors.StorageFull):
            await store.put_stage("PROBE", "p" * 64, {"filling": "x" * 100_000})
        assert await store.get_stage("p" * 64) is None
        # A small change still fits, and a big one beside it takes nothing with it.
        small = [store.put_stage("PROBE", f"{index:064}", {"n": index}) for index in range(5)]
        big = store.put_stage("PROBE", "p" * 64, {"filling": "x" * 100_000})
        outcomes = await asyncio.gather(small[0], big, *small[1:], return_exceptions=True)
        assert isinstance(outcomes.pop(1), errors.StorageFull)
        assert outcomes == [{"n": index} for index in range(5)]
        assert await store.list_agents() == [agent()]
        await database.write(lambda connection: limit_pages(connection, 1000))
        assert await store.put_stage("PROBE", "p" * 64, {"filling": "x" * 100_000})
        await store.close()

    asyncio.run(story())
    assert Deployment(state).run(lambda store: store.list_agents()) == [agent()]


async def hold_writer(database: Database) -> tuple[asyncio.Future[None], Callable[[], None]]:
    """Keep the writer busy, so that what comes now queues up; the change that does it, and what ends it."""
    entered, released = threading.Event(), threading.Event()

    def change(connection: Connection) -> None:
        entered.set()
        assert released.wait(10)

    held = asyncio.ensure_future(database.write(change))
    assert await asyncio.to_thread(entered.wait, 10)
    return held, released.set


def test_many_callers_share_one_commit(tmp_path: Path) -> None:
    async def story() -> int:
        store = open_store(tmp_path)
        database = store._database
        commits: list[Connection] = []
        held, release = await hold_writer(database)
        event.listen(database._writing, "commit", commits.append)
        waiting = [asyncio.ensure_future(store.put_stage("PROBE", str(index), {})) for index in range(100)]
        await asyncio.sleep(0)
        release()
        await asyncio.gather(held, *waiting)
        await store.close()
        return len(commits)

    assert asyncio.run(story()) == 2


def test_a_change_that_fails_halfway_leaves_nothing_of_itself_in_a_shared_commit(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        assert isinstance(store, SqlStore)
        await store.put_study(study(), idempotency_key="k")
        await store.put_trials("heart-1", [trial(1)])
        other = replace(trial(1), configuration=Configuration(tune={"width": 99}))
        held, release = await hold_writer(store._database)
        changes = [
            asyncio.ensure_future(store.put_trials("heart-1", batch)) for batch in ([trial(2), other], [trial(3)])
        ]
        await asyncio.sleep(0)
        release()
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
        await held
        assert [type(outcome) for outcome in outcomes] == [errors.TrialConflict, type(None)]
        assert await store.list_trials("heart-1") == [trial(1), trial(3)]

    Deployment(tmp_path).run(story)


def test_a_caller_that_gave_up_before_the_writer_came_leaves_no_trace(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        assert isinstance(store, SqlStore)
        held, release = await hold_writer(store._database)
        waiting = asyncio.ensure_future(store.put_agent(agent()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        release()
        await held
        assert await store.list_agents() == []

    Deployment(tmp_path).run(story)


def test_every_commit_is_flushed(tmp_path: Path) -> None:
    async def story(store: Store) -> tuple[str, int, int]:
        def settings(connection: Connection) -> tuple[str, int, int]:
            names = ("journal_mode", "synchronous", "foreign_keys")
            mode, synchronous, keys = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names)
            return mode, synchronous, keys

        assert isinstance(store, SqlStore)
        return await store._database.write(settings)

    assert Deployment(tmp_path).run(story) == ("wal", 2, 1)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    async def age(store: Store) -> None:
        assert isinstance(store, SqlStore)
        newer = tables.counters.update().where(tables.counters.c.name == "format").values(value=tables.FORMAT + 1)
        await store._database.write(lambda connection: connection.execute(newer) and None)

    Deployment(tmp_path).run(age)
    for _ in range(2):
        with pytest.raises(errors.StoreVersion):
            open_store(tmp_path)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://localhost/x", "postgresql+nodriver://localhost/x"])
def test_a_url_of_no_known_database_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadStoreUrl):
        open_store(tmp_path, url=url or "sqlite")


# --- running sums


async def put_sum(store: Store, session_id: bytes, running_sum: bytes) -> None:
    await store.put_survivors(session_id, spec=b"spec", survivors=("a", "b"), running_sum=running_sum, record=b"record")


def test_a_full_disk_fixes_no_survivors_and_leaves_the_open_sums(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await put_sum(store, b"a" * 32, b"kept")
        with file_size_limit(64 * 1024), pytest.raises(errors.StorageFull):
            await put_sum(store, b"b" * 32, bytes(1_000_000))
        (kept,) = await store.open_sessions()
        assert await store.get_running_sum(kept) == b"kept"
        await put_sum(store, b"b" * 32, bytes(1_000_000))
        assert [await store.get_running_sum(entry) for entry in await store.open_sessions()] == [
            b"kept",
            bytes(1_000_000),
        ]

    Deployment(tmp_path).run(story)


def test_a_damaged_running_sum_is_never_unmasked(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await put_sum(store, b"a" * 32, b"masked sum")
        (entry,) = await store.open_sessions()
        (tmp_path / "sums" / str(entry.place)).write_bytes(b"masked son")
        with pytest.raises(errors.DamagedArtifact):
            await store.get_running_sum(entry)

    Deployment(tmp_path).run(story)


# --- artifacts


def test_a_crash_while_writing_leaves_no_half_artifact(tmp_path: Path) -> None:
    files = ArtifactFiles(tmp_path)
    name = files.put(b"whole")
    (tmp_path / "incoming" / "leftover").write_bytes(b"ha")
    again = ArtifactFiles(tmp_path)
    assert list((tmp_path / "incoming").iterdir()) == []
    assert again.get(name) == b"whole"


def test_a_damaged_artifact_is_never_handed_out_as_whole(tmp_path: Path) -> None:
    files = ArtifactFiles(tmp_path)
    name = files.put(b"weights")
    (tmp_path / name[:2] / name).write_bytes(b"weighty")
    with pytest.raises(errors.DamagedArtifact):
        files.get(name)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_adds_no_artifact_and_leaves_the_others(tmp_path: Path) -> None:
    files = ArtifactFiles(tmp_path)
    kept, large = files.put(b"kept"), bytes(10_000)
    with file_size_limit(4096), pytest.raises(errors.StorageFull):
        files.put(large)
    assert not files.exists(digest(large))
    assert list((tmp_path / "incoming").iterdir()) == []
    assert files.get(kept) == b"kept"
    assert files.get(files.put(large)) == large


def test_a_round_with_lost_weights_is_not_committed(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        record = replace(await first_round(store), model=digest(b"never stored"))
        with pytest.raises(errors.UnknownArtifact):
            await store.commit_round(record)

    Deployment(tmp_path).run(story)
