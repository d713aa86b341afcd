"""A real child process: what it may, what it may not, and what its daemon sees when it fails."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_core.errors import Kind, RemoteError
from autoglm_workloads.child import host
from autoglm_workloads.child.errors import ChildClosed, ChildDied, TaskTimedOut
from autoglm_workloads.child.host import ChildProcess

TABLE = "support.child_tables:TABLE"
SECONDS = 30.0
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")


@pytest.fixture(autouse=True)
def tests_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_blobs_go_there_and_come_back_changed() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            vectors = [np.arange(1_000_000, dtype=np.float32), np.zeros(0, np.float32)]
            reply = await child.call("double", {}, vectors, timeout=SECONDS)
            assert np.array_equal(np.frombuffer(reply.blobs[0], np.float32), vectors[0] * 2)
            assert reply.blobs[1].nbytes == 0

    run(story())


def test_a_blob_that_is_larger_than_what_is_set_aside_at_once_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "AT_ONCE", 1000)

    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            blobs = [np.arange(size, dtype=np.float32) for size in (1_000_000, 250, 251)]
            reply = await child.call("echo", {}, blobs, timeout=SECONDS)
            assert [bytes(blob) for blob in reply.blobs] == [blob.tobytes() for blob in blobs]

    run(story())


def page_faults(pid: int) -> int:
    """Pages of memory that a process had to be given so far (see proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is the GNU C library's")
def test_a_warm_child_keeps_the_memory_that_its_tasks_need() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            vector = np.ones(4_000_000, np.float32)
            for _ in range(3):
                await child.call("double", {}, [vector], timeout=SECONDS)
            assert child.pid is not None
            before = page_faults(child.pid)
            await child.call("double", {}, [vector], timeout=SECONDS)
            assert page_faults(child.pid) - before < vector.nbytes / os.sysconf("SC_PAGE_SIZE") / 4

    run(story())


def test_calls_made_at_once_are_answered_one_by_one_in_order() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            calls = [child.call("echo", {"n": n}, [bytes([n]) * 300_000], timeout=SECONDS) for n in range(8)]
            replies = await asyncio.gather(*calls)
            assert [(reply.meta["n"], reply.blobs[0][0]) for reply in replies] == [(n, n) for n in range(8)]

    run(story())


def test_the_child_has_no_network_and_neither_has_what_it_starts() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            assert child.enforced
            for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
                outcome = (await child.call("connect", {"family": family}, timeout=SECONDS)).meta
                assert outcome == {"here": "PermissionError", "grandchild": 1}
            outcome = (await child.call("connect", {"family": socket.AF_UNIX}, timeout=SECONDS)).meta
            assert outcome == {"here": "opened", "grandchild": 0}

    run(story())


def test_the_child_is_told_nothing_and_runs_where_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGLM_TOKEN", "a secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy")

    async def story() -> None:
        cpu = min(os.sched_getaffinity(0))
        async with ChildProcess(tasks=TABLE, cpus=frozenset({cpu}), threads=3) as child:
            facts = (await child.call("facts", {}, timeout=SECONDS)).meta
            assert facts["cpus"] == [cpu]
            assert facts["environment"]["OMP_NUM_THREADS"] == "3"
            assert not {"AUTOGLM_TOKEN", "HTTPS_PROXY", "USER"} & set(facts["environment"])
            assert facts["environment"]["HOME"] != os.environ.get("HOME")
            assert facts["descriptors"] == ["/dev/null"] * 3

    run(story())


def test_a_typed_error_comes_back_with_its_code_and_the_next_call_has_a_new_child() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            before = child.pid
            with pytest.raises(RemoteError) as failed:
                await child.call("fail", {"how": "typed"}, timeout=SECONDS)
            assert (failed.value.remote_code, failed.value.remote_kind) == ("bad-recipe", Kind.INVALID)
            assert failed.value.data == {"spoons": 9}
            assert (await child.call("facts", {}, timeout=SECONDS)).meta["pid"] != before

    run(story())


def test_the_text_of_a_foreign_exception_stays_in_the_child() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            with pytest.raises(RemoteError) as failed:
                await child.call("fail", {"how": "foreign", "secret": "cholesterol 233"}, timeout=SECONDS)
            assert failed.value.remote_code == "task-failed"
            assert failed.value.data["error"] == "ValueError"
            assert str(failed.value.data["where"]).startswith("child_tables.py:")
            assert "233" not in f"{failed.value} {failed.value.data}"

    run(story())


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe in which a waiting child reports its process id."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_kill_9_is_child_died_and_the_next_call_works(pipe: Path) -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            waiting = asyncio.create_task(child.call("wait", {"pipe": str(pipe)}, timeout=SECONDS))
            os.kill(int(await asyncio.to_thread(pipe.read_text)), signal.SIGKILL)
            with pytest.raises(ChildDied) as died:
                await waiting
            assert died.value.data == {"task": "wait", "exit": -signal.SIGKILL}
            assert (await child.call("echo", {"n": 1}, timeout=SECONDS)).meta == {"n": 1}

    run(story())


def test_a_crash_leaves_its_stack_and_no_values(tmp_path: Path) -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE, crash_log=tmp_path / "crash.log") as child:
            with pytest.raises(ChildDied) as died:
                await child.call("fail", {"how": "signal", "signal": signal.SIGSEGV, "secret": "233"}, timeout=SECONDS)
            assert died.value.data["exit"] == -signal.SIGSEGV
        stack = (tmp_path / "crash.log").read_text()
        assert "child_tables.py" in stack
        assert "233" not in stack

    run(story())


def test_a_task_past_its_time_is_killed(pipe: Path) -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            pid = child.pid
            with pytest.raises(TaskTimedOut):  # nobody opens the other end of the pipe
                await child.call("wait", {"pipe": str(pipe)}, timeout=0.1)
            assert pid is not None
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
            assert (await child.call("echo", {"n": 2}, timeout=SECONDS)).meta == {"n": 2}

    run(story())


def test_a_cancelled_call_does_not_answer_the_next_one(pipe: Path) -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            waiting = asyncio.create_task(child.call("wait", {"pipe": str(pipe)}, timeout=SECONDS))
            await asyncio.to_thread(pipe.read_text)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await child.call("echo", {"n": 3}, timeout=SECONDS)).meta == {"n": 3}

    run(story())


def test_an_idle_child_that_was_killed_is_replaced_unseen() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            assert child.pid is not None
            descriptor = os.pidfd_open(child.pid)
            os.kill(child.pid, signal.SIGKILL)
            await asyncio.to_thread(select.select, [descriptor], [], [], SECONDS)
            os.close(descriptor)
            assert (await child.call("echo", {"n": 4}, timeout=SECONDS)).meta == {"n": 4}

    run(story())


def test_memory_past_the_cap_ends_the_task_and_not_the_host() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE, memory_bytes=512 * 2**20) as child:
            with pytest.raises(RemoteError) as failed:
                await child.call("fail", {"how": "memory", "bytes": 2**30}, timeout=SECONDS)
            assert (failed.value.remote_code, failed.value.remote_kind) == ("child-out-of-memory", Kind.EXHAUSTED)

    run(story())


@pytest.mark.parametrize(
    ("how", "code", "told"),
    [
        ("allocator", "child-out-of-memory", "choose smaller batches"),
        ("package", "package-missing", "pyarrow is not installed here: run pip install 'autoglm[train]'"),
    ],
)
def test_what_a_library_says_in_its_own_words_is_told_typed(how: str, code: str, told: str) -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            with pytest.raises(RemoteError, match=re.escape(told)) as failed:
                await child.call("fail", {"how": how}, timeout=SECONDS)
            assert failed.value.remote_code == code

    run(story())


def test_a_child_that_grew_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "GROWTH_BYTES", 32 * 2**20)

    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            pids = [
                (await child.call("hoard", {"bytes": size}, timeout=SECONDS)).meta["pid"] for size in (1, 2, 2**26, 3)
            ]
            assert pids[0] == pids[1] == pids[2] != pids[3]

    run(story())


def test_a_table_that_cannot_be_imported_is_named() -> None:
    async def story() -> None:
        child = ChildProcess(tasks="support.no_such_module:TABLE")
        with pytest.raises(RemoteError) as failed:
            await child.start()
        assert failed.value.data["error"] == "ModuleNotFoundError"
        await child.close()

    run(story())


def test_a_closed_child_takes_no_calls() -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            pass
        assert child.pid is None
        with pytest.raises(ChildClosed):
            await child.call("echo", {}, timeout=SECONDS)

    run(story())


def test_closing_does_not_wait_for_the_task(pipe: Path) -> None:
    async def story() -> None:
        child = ChildProcess(tasks=TABLE)
        waiting = asyncio.create_task(child.call("wait", {"pipe": str(pipe)}, timeout=SECONDS))
        await asyncio.to_thread(pipe.read_text)
        await child.close()
        with pytest.raises(ChildDied):
            await waiting

    run(story())


def test_no_child_outlives_a_killed_daemon(pipe: Path) -> None:
    daemon = f"""
import asyncio
from autoglm_workloads.child.host import ChildProcess
asyncio.run(ChildProcess(tasks="{TABLE}").call("wait", {{"pipe": "{pipe}"}}, timeout=60))
"""
    with subprocess.Popen([sys.executable, "-c", daemon]) as process:
        descriptor = os.pidfd_open(int(pipe.read_text()))
        process.kill()
    ended, _, _ = select.select([descriptor], [], [], SECONDS)
    os.close(descriptor)
    assert ended


def test_the_daemons_side_imports_no_framework() -> None:
    probe = "import sys, autoglm_workloads.child.host; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True).stdout.split()
    assert not {"numpy", "torch", "onnx", "onnxruntime", "psutil"} & set(modules)
