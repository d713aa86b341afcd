"""How an agent delivers its vector: announced first, sent when the coordinator has room, the same bytes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from autoglm_agent.audit import AuditLog
from autoglm_agent.egress import Egress
from autoglm_agent.line import Line
from autoglm_agent.outgoing import UploadVector
from autoglm_agent.stream import Connection
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.errors import AutoglmError, Kind, NotFound
from autoglm_core.privacy.bodies import Masked
from autoglm_core.privacy.messages import signed
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_protos.host import SystemClock
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import SmallCoordinator, serving
from support.secure_sum_wire import Deployment

PARAMETERS = 1_000_000
AT_ONCE = 0.3
"""Seconds in which a chunk that does not wait would long be there."""

Chunks = AsyncIterator[pb.PutChunk]
Answer = Callable[[Chunks, Any], Awaitable[pb.PutReply]]


class Port(SmallCoordinator):
    """A coordinator that answers each upload as the next of `answers` does."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(Authority.create("test", now=SystemClock().now()))
        self._answers = list(answers)

    async def Put(self, request_iterator: Any, context: Any) -> pb.PutReply:
        return await self._answers.pop(0)(aiter(request_iterator), context)


class Gone(AutoglmError):
    """As of a coordinator that restarts."""

    code = "gone"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("gone")


async def image_of(chunks: Chunks, first: bytes = b"") -> bytes:
    return first + b"".join([chunk.data async for chunk in chunks])


@asynccontextmanager
async def line_to(port: Port, folder: Path) -> AsyncIterator[Line]:
    """An agent's line to `port`."""
    async with serving(port) as address:
        connection = Connection(address, port.issue("s00"), proxy=None)
        line = Line(Egress(AuditLog(folder / "audit")))
        line.attach(connection)
        yield line
        await connection.close()


def upload() -> UploadVector:
    """A vector of several chunks."""
    deployment = Deployment.of(3)
    spec = deployment.spec(parameters=PARAMETERS)
    vector = MaskedVector.zeros(spec.layout)
    vector.body[:] = np.arange(PARAMETERS)
    header = signed(Masked(spec.digest, "s00", bytes.fromhex(vector.sha256)), key=deployment.keys["s00"])
    return UploadVector(spec.session_id, vector, header, spec.study_id)


def run(port: Port, folder: Path, message: UploadVector) -> None:
    async def story() -> None:
        async with asyncio.timeout(30), line_to(port, folder) as line:
            await line.upload(message)

    asyncio.run(story())


def test_only_the_announcement_is_sent_before_the_coordinator_has_room(tmp_path: Path) -> None:
    message, received = upload(), list[bytes]()

    async def waits(chunks: Chunks, context: Any) -> pb.PutReply:
        first = await anext(chunks)
        assert first.total == message.vector.layout.byte_size
        assert first.data == message.vector.tail.tobytes(), "counters at most; the body waits"
        second = asyncio.ensure_future(anext(chunks))
        done, _ = await asyncio.wait({second}, timeout=AT_ONCE)
        assert not done, "sent without room"
        await context.send_initial_metadata(())
        received.append(await image_of(chunks, first.data + (await second).data))
        return pb.PutReply(stored=True)

    run(Port(waits), tmp_path, message)
    assert received == [message.vector.to_bytes()]


def test_a_refused_announcement_ends_the_upload(tmp_path: Path) -> None:
    async def refuses(chunks: Chunks, _: Any) -> pb.PutReply:
        await anext(chunks)
        raise NotFound("no running session of that id takes a vector from this agent")

    with pytest.raises(RefusedWith) as caught:
        run(Port(refuses), tmp_path, upload())
    assert caught.value.reason is RefusalCode.UPLOAD_FAILED


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
def test_a_stream_that_is_reset_without_a_word_of_the_coordinators_is_repeated(
    tmp_path: Path, code: grpc.StatusCode
) -> None:
    message, received = upload(), list[bytes]()

    async def resets(chunks: Chunks, context: Any) -> pb.PutReply:
        await anext(chunks)
        await context.abort(code)
        raise AssertionError("abort returned")

    async def takes(chunks: Chunks, context: Any) -> pb.PutReply:
        await context.send_initial_metadata(())
        received.append(await image_of(chunks))
        return pb.PutReply(stored=True)

    run(Port(resets, takes), tmp_path, message)
    assert len(received) == 1


@pytest.mark.parametrize("with_room", [False, True])
def test_a_broken_upload_is_repeated_from_its_first_byte(tmp_path: Path, with_room: bool) -> None:
    message, received = upload(), list[bytes]()

    async def breaks(chunks: Chunks, context: Any) -> pb.PutReply:
        await anext(chunks)
        if with_room:
            await context.send_initial_metadata(())
            await anext(chunks)
        raise Gone

    async def takes(chunks: Chunks, context: Any) -> pb.PutReply:
        await context.send_initial_metadata(())
        received.append(await image_of(chunks))
        return pb.PutReply(stored=True)

    run(Port(breaks, takes), tmp_path, message)
    assert received == [message.vector.to_bytes()]
