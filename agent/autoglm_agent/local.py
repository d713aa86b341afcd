"""The administrator's way to a running agent: a unix socket in the state folder, which this user alone may open.

One JSON line each way. Decisions are written to the ledger by the command line itself; the socket only says that there
is something new, so an administrator may decide while the daemon is down.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_agent.errors import DaemonNotRunning, StillWorking
from autoglm_core.canonical import Json, canonical_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_LINE = 2**20
ANSWER_SECONDS = 330.0
"""An approval is answered when its model came and the rows were read; what takes longer goes on by itself."""

Answer = Callable[[Json], Awaitable[Json]]


@asynccontextmanager
async def listening(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Answer requests at `path` while the context lasts."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            reply = await answer(request if isinstance(request, dict) else {})
            writer.write(canonical_json(reply) + b"\n")
            await writer.drain()
        except (ValueError, RecursionError, ConnectionError):
            return
        finally:
            writer.close()

    path.unlink(missing_ok=True)  # noqa: ASYNC240  two names in a local folder, before anything runs
    with _short(path) as short:
        server = await asyncio.start_unix_server(serve, short, limit=LONGEST_LINE)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)  # noqa: ASYNC240


def ask(path: Path, request: Json, *, seconds: float = ANSWER_SECONDS) -> Json:
    """Send one request to the daemon and return its answer.

    Raises:
        DaemonNotRunning: nobody listens.
        StillWorking: no answer within `seconds`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _short(path) as short:
        connection.settimeout(seconds)
        try:
            connection.connect(short)
            connection.sendall(canonical_json(request) + b"\n")
            with connection.makefile("rb") as file:
                reply = json.loads(file.readline())
        except TimeoutError:
            raise StillWorking(seconds=seconds) from None
        except (OSError, ValueError):
            raise DaemonNotRunning from None
    return dict(reply)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of `path` that fits a socket's 107 bytes, however deep the state folder lies."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield str(path)
        return
    try:
        yield f"/proc/self/fd/{folder}/{path.name}" if Path("/proc/self/fd").exists() else str(path)
    finally:
        os.close(folder)
