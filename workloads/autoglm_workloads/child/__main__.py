"""A child process: `python -m autoglm_workloads.child --fd N --parent PID --tasks module:TABLE`, started by `host`.

The order matters: tie the life to the parent's, set affinity and limits, close the network, only then import the
tasks.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from autoglm_core.canonical import Json
from autoglm_core.errors import AutoglmError
from autoglm_workloads.child import sandbox
from autoglm_workloads.child.channel import Channel, ParentGone
from autoglm_workloads.child.errors import EXTRA_TRAIN, ChildOutOfMemory, PackageMissing, TaskFailed, UnknownTask
from autoglm_workloads.child.frames import Blob
from autoglm_workloads.child.memory import ran_out_of_memory

Task = Callable[[Json, list[bytes]], tuple[Json, Sequence[Blob]]]
Table = Mapping[str, Task]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve tasks until the parent closes its end."""
    options = _parser().parse_args(arguments)
    sandbox.die_with_parent(signal.SIGKILL)
    if os.getppid() != options.parent:  # it ended before the kernel was asked
        return 1
    _limit(options)
    sandbox.install()
    channel = Channel(socket.socket(fileno=options.fd))
    with contextlib.suppress(ParentGone, BrokenPipeError, ConnectionResetError):
        table = _load(channel, options.tasks)
        while table is not None:
            _serve(channel, table)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="autoglm_workloads.child", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a connected AF_UNIX stream socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the daemon")
    parser.add_argument("--tasks", required=True, help="module:TABLE")
    parser.add_argument("--cpus", default="", help="comma-separated processor numbers to run on")
    parser.add_argument("--memory-bytes", type=int, default=0, help="cap on private memory; 0 for none")
    parser.add_argument("--crash-fd", type=int, default=-1, help="where a crash writes its stack, without values")
    return parser


def _limit(options: argparse.Namespace) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would put the data on disk
    if options.cpus and sys.platform == "linux":
        os.sched_setaffinity(0, {int(cpu) for cpu in options.cpus.split(",")})
    if options.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory_bytes, options.memory_bytes))
    if options.crash_fd >= 0:
        faulthandler.enable(file=options.crash_fd)


def _load(channel: Channel, tasks: str) -> Table | None:
    try:
        module, _, name = tasks.partition(":")
        table: Table = getattr(importlib.import_module(module), name)
    except Exception as error:
        channel.send(_failure("import", error))
        return None
    channel.send({"meta": {"enforced": sandbox.enforced(), "tasks": sorted(table)}, "resident": resident_bytes()})
    return table


def _serve(channel: Channel, table: Table) -> None:
    fields, blobs = channel.receive()
    try:
        task = fields["task"]
        if task not in table:
            raise UnknownTask(task=task)
        meta, replies = table[task](fields["meta"], blobs)
        del blobs
        channel.send({"meta": meta, "resident": resident_bytes()}, replies)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        channel.send(_failure(str(fields.get("task")), error))


def _failure(task: str, error: Exception) -> Json:
    known = _as_known(task, error)
    description = {"code": known.code, "kind": str(known.kind), "message": known.message, "data": known.data}
    return {"error": description, "resident": resident_bytes()}


def _as_known(task: str, error: Exception) -> AutoglmError:
    if isinstance(error, AutoglmError):
        return error
    if ran_out_of_memory(error):
        return ChildOutOfMemory(task=task)
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRA_TRAIN:
        return PackageMissing(package=error.name)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    return TaskFailed(task=task, error=type(error).__name__, where=where)


def resident_bytes() -> int:
    """Memory of this process that is in RAM now; the peak so far where /proc is missing."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    raise SystemExit(main())
