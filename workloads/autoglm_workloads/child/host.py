"""The daemon's side of a child process.

    child = ChildProcess(tasks="autoglm_workloads.site_tasks:TABLE", threads=2)
    reply = await child.call("train", {...}, [parameters], timeout=600.0)

A socket pair goes to a fresh interpreter; nothing is forked without exec, because gRPC does not survive a fork. A
child is replaced before the next call after it died, failed, ran out of time or grew; its tasks carry their whole
state, so nothing but warmth is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoglm_core.canonical import Json
from autoglm_workloads.child import frames
from autoglm_workloads.child.answers import read_answer
from autoglm_workloads.child.environment import scrubbed
from autoglm_workloads.child.errors import ChildClosed, ChildDied, TaskTimedOut

START_TIMEOUT = 60.0
"""Seconds until a child must be ready; importing a framework on a busy machine takes some."""
GROWTH_BYTES = 2**30
"""A child that grew by more since its first task is replaced: something in it leaks."""
AT_ONCE = 16 * 2**20
"""Bytes of a blob that are set aside before any of it came."""
_EXIT_GRACE = 2.0
"""Seconds between the end of the stream and the exit status of a child that died by itself."""


@dataclass(frozen=True)
class Reply:
    """What a task returned; `blobs` are views of buffers that belong to the caller."""

    meta: Json
    blobs: list[memoryview]


class ChildProcess:
    """One warm child. Calls run one at a time, in the order in which they were made."""

    def __init__(
        self,
        *,
        tasks: str,
        cpus: Iterable[int] | None = None,
        threads: int = 1,
        memory_bytes: int | None = None,
        crash_log: Path | None = None,
    ) -> None:
        """Describe a child; `start` or the first call starts it.

        Args:
            tasks: "module:TABLE", imported in the child alone.
            cpus: processors that it may use; all of the daemon's where None.
            threads: of OpenMP and of the frameworks.
            memory_bytes: cap on its private memory; passing it ends a task with `child-out-of-memory`.
            crash_log: file that takes the stack of the last child's native crash (functions and lines, never values).
        """
        self._tasks = tasks
        self._cpus = tuple(sorted(cpus or ()))
        self._threads = threads
        self._memory_bytes = memory_bytes
        self._crash_log = crash_log
        self._lock = asyncio.Lock()
        self._running: _Running | None = None
        self._replace = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the present child, None where there is none."""
        return None if self._running is None else self._running.process.pid

    @property
    def enforced(self) -> bool:
        """Whether the present child reported that the kernel refuses it a network."""
        return self._running is not None and self._running.enforced

    async def start(self) -> None:
        """Start the child and wait until it is ready; nothing to do where a good one runs.

        Raises:
            ChildDied, TaskTimedOut: it did not come up.
            RemoteError: its table could not be imported.
        """
        async with self._lock:
            await self._ready()

    async def close(self) -> None:
        """Kill the child; a call in flight raises `ChildDied`, later ones `ChildClosed`."""
        self._closed = True
        if self._running is not None:
            self._running.process.kill()  # now: the lock is free only after the call in flight
        async with self._lock:
            await self._discard()

    async def __aenter__(self) -> ChildProcess:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(self, task: str, meta: Json, blobs: Sequence[frames.Blob] = (), *, timeout: float) -> Reply:  # noqa: ASYNC109
        """Run `task` in the child.

        Args:
            task: name in the child's table.
            meta: JSON for the task.
            blobs: contiguous buffers; they are not copied here and must not change until the reply.
            timeout: seconds until the child is killed; the start of a new child is not counted.

        Raises:
            RemoteError: the task raised; `remote_code` and `data` are the error's own.
            ChildDied: the child crashed or was killed.
            TaskTimedOut: no reply in time.
            frames.FrameTooLarge: more than a frame holds.
        """
        parts = frames.encode({"task": task, "meta": meta}, blobs)
        async with self._lock:
            running = await self._ready()
            self._replace = True  # unless the exchange ends well: a half-read stream cannot be used again
            fields, replies = await self._exchange(running, parts, task=task, seconds=timeout)
            answer = read_answer(fields)
            self._replace = running.outgrown(answer.resident)
            return Reply(meta=answer.meta, blobs=replies)

    async def _ready(self) -> _Running:
        if self._closed:
            raise ChildClosed
        if self._running is not None and (self._replace or self._running.process.poll() is not None):
            await self._discard()
        if self._running is None:
            self._running = self._spawn()
            self._replace = True
            fields, _ = await self._exchange(self._running, [], task="start", seconds=START_TIMEOUT)
            self._running.enforced = bool(read_answer(fields).meta.get("enforced"))
            self._replace = False
        return self._running

    async def _exchange(
        self, running: _Running, parts: Sequence[memoryview], *, task: str, seconds: float
    ) -> tuple[Json, list[memoryview]]:
        try:
            async with asyncio.timeout(seconds):
                await _send(running.connection, parts)
                return await _receive(running.connection)
        except TimeoutError:
            await self._discard()
            raise TaskTimedOut(task=task, seconds=seconds) from None
        except (EOFError, ConnectionError):
            raise ChildDied(task=task, exit=await self._discard(grace=_EXIT_GRACE)) from None
        except asyncio.CancelledError:
            running.process.kill()
            raise

    async def _discard(self, *, grace: float = 0.0) -> int:
        """End the child, if any; its exit status, after `grace` seconds to end by itself."""
        running, self._running = self._running, None
        if running is None:
            return 0
        running.connection.close()
        try:
            return await running.end(grace)
        finally:
            running.home.cleanup()

    def _spawn(self) -> _Running:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        home = tempfile.TemporaryDirectory(prefix="autoglm-child-")
        try:
            process = self._popen(theirs.fileno(), Path(home.name))
        except BaseException:
            ours.close()
            home.cleanup()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        return _Running(process=process, connection=ours, home=home)

    def _popen(self, channel: int, home: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "autoglm_workloads.child", "--tasks", self._tasks]
        command += ["--fd", str(channel), "--parent", str(os.getpid()), "--cpus", ",".join(map(str, self._cpus))]
        command += ["--memory-bytes", str(self._memory_bytes or 0)]
        with contextlib.ExitStack() as stack:
            passed = [channel]
            if self._crash_log is not None:
                passed.append(stack.enter_context(self._crash_log.open("wb")).fileno())
                command += ["--crash-fd", str(passed[-1])]
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a library may print the values of the data there
                cwd=home,
                env=scrubbed(os.environ, home=home, threads=self._threads),
                start_new_session=True,  # Ctrl-C in a terminal is the daemon's to handle
            )


@dataclass
class _Running:
    """A started child. `first_resident`: bytes in RAM after its first task."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    home: tempfile.TemporaryDirectory[str]
    enforced: bool = False
    first_resident: int | None = None

    def outgrown(self, resident: int) -> bool:
        """Whether it leaks, going by the `resident` bytes after a task."""
        if self.first_resident is None:
            self.first_resident = resident
        return resident > self.first_resident + GROWTH_BYTES

    async def end(self, grace: float) -> int:
        """Wait `grace` seconds, then kill; the exit status."""
        if grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return await asyncio.to_thread(self.process.wait, grace)
        self.process.kill()
        return await asyncio.to_thread(self.process.wait)


async def _send(connection: socket.socket, parts: Sequence[memoryview]) -> None:
    loop = asyncio.get_running_loop()
    for part in parts:
        await loop.sock_sendall(connection, part)


async def _receive(connection: socket.socket) -> tuple[Json, list[memoryview]]:
    length = frames.head_length(await _read(connection, frames.PREFIX.size))
    head = frames.decode_head(bytes(await _read(connection, length)))
    return head.fields, [await _read(connection, size) for size in head.sizes]


async def _read(connection: socket.socket, size: int) -> memoryview:
    loop = asyncio.get_running_loop()
    buffer = bytearray(min(size, AT_ONCE))
    filled = 0
    while filled < size:
        if filled == len(buffer):  # what is announced costs no memory, only what came does
            buffer += bytes(min(size - filled, filled))
        with memoryview(buffer)[filled:] as rest:
            received = await loop.sock_recv_into(connection, rest)
        if not received:
            raise EOFError
        filled += received
    return memoryview(buffer)
