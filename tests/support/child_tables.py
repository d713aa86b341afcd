"""A task table that tests run in a real child process."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping

import numpy as np

from autoglm_core.canonical import Json
from autoglm_core.errors import InvalidInput
from autoglm_workloads.child.__main__ import Task


class BadRecipe(InvalidInput):
    """A typed error with data, as a workload would raise it."""

    code = "bad-recipe"

    def __init__(self, *, spoons: int) -> None:
        super().__init__(f"{spoons} spoons are too many", spoons=spoons)


def echo(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Everything back."""
    return meta, blobs


def double(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Twice each float32."""
    return meta, [(np.frombuffer(blob, np.float32) * 2).tobytes() for blob in blobs]


def facts(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """What the process sees of itself."""
    return {
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "cpus": sorted(os.sched_getaffinity(0)),
        "threads": threading.active_count(),
        "modules": sorted(sys.modules),
        "descriptors": [os.readlink(f"/proc/self/fd/{number}") for number in range(3)],
    }, []


def connect(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Try to open a socket of the family named, here and in a process of its own; what came of it."""
    script = f"import socket; socket.socket({meta['family']})"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    try:
        socket.socket(meta["family"]).close()
    except OSError as error:
        return {"here": type(error).__name__, "grandchild": child.returncode}, []
    return {"here": "opened", "grandchild": child.returncode}, []


def fail(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Raise what `meta` names."""
    if meta["how"] == "typed":
        raise BadRecipe(spoons=9)
    if meta["how"] == "memory":
        np.ones(meta["bytes"], np.uint8)
    if meta["how"] == "allocator":  # as torch's and onnxruntime's, which have no class of their own for it
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 72 bytes")
    if meta["how"] == "package":  # an environment without it would take a minute to make
        sys.modules["pyarrow"] = None  # type: ignore[assignment]
        importlib.import_module("pyarrow")
    if meta["how"] == "signal":
        os.kill(os.getpid(), meta["signal"])
    raise ValueError(f"could not convert {meta['secret']}")


def wait(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Say through the pipe `meta["pipe"]` that the task runs, then never answer."""
    with open(meta["pipe"], "w", encoding="ascii") as pipe:
        pipe.write(str(os.getpid()))
    signal.pause()
    return {}, []


def hoard(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Keep `meta["bytes"]` for good."""
    _KEPT.append(np.ones(meta["bytes"], np.uint8))
    return {"pid": os.getpid()}, []


_KEPT: list[np.ndarray[tuple[int], np.dtype[np.uint8]]] = []
TABLE: Mapping[str, Task] = {
    "echo": echo,
    "double": double,
    "facts": facts,
    "connect": connect,
    "fail": fail,
    "wait": wait,
    "hoard": hoard,
}
