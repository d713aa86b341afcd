"""`autoglm-agent` that floods its coordinator where it should deliver its first two vectors of a training.

Its certificate, its part in the session and all else are real, so that the coordinator listens to it. What each
upload was refused with, and the coordinator's memory around all of it, are written to the folder `FLOOD_REPORT`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from autoglm_agent import daemon
from autoglm_agent.command_line import main
from autoglm_agent.line import Line
from autoglm_agent.outgoing import UploadVector
from autoglm_agent.stream import Connection
from autoglm_protos.errors import translate
from autoglm_protos.v1 import agent_pb2 as pb
from support.peak_memory import forget_peak, peak

REPORT, VICTIM = "FLOOD_REPORT", "FLOOD_VICTIM"
"""In the environment: a folder, and the coordinator's process id."""
CHUNK = 512 * 1024
LARGE = 3_900_000
"""Nearly the longest message."""
AT_ONCE = 48
REPEATS = 40
TRIES = 10
FLOOD = 60
CALL_SECONDS = 20.0

Chunks = Iterable[pb.PutChunk]


@dataclass(frozen=True)
class Upload:
    """An honest upload, to be spoilt."""

    message: UploadVector

    @cached_property
    def image(self) -> bytes:
        return self.message.vector.to_bytes()

    def first(self, **changes: Any) -> pb.PutChunk:
        """The announcement."""
        header = self.message.header
        known = {"session_id": self.message.session_id, "sha256": self.message.vector.sha256, "total": len(self.image)}
        return pb.PutChunk(**{**known, "signature": header.signature, "header": header.body, **changes})

    @cached_property
    def rest(self) -> list[pb.PutChunk]:
        """The bytes."""
        return [pb.PutChunk(data=self.image[at : at + CHUNK]) for at in range(0, len(self.image), CHUNK)]

    def cases(self) -> Iterator[tuple[str, Chunks]]:
        """Name and chunks of each spoilt upload."""
        first, rest = self.first(), self.rest
        flipped = bytes([rest[1].data[0] ^ 1]) + rest[1].data[1:]
        yield "announces more", [self.first(total=len(self.image) + 1), *rest]
        yield "announces all there is", [self.first(total=2**64 - 1), *rest]
        yield "announces nothing", [self.first(total=0), *rest]
        yield "sends without end", itertools.chain([first], itertools.cycle(rest))
        yield "sends empty chunks", itertools.chain([first], itertools.repeat(pb.PutChunk()))
        yield "stops early", [first, *rest[:-1]]
        yield "repeats a chunk", [first, rest[0], *rest]
        yield "one chunk for another", [first, rest[0], rest[0], *rest[2:]]
        yield "swaps chunks", [first, rest[1], rest[0], *rest[2:]]
        yield "flips a bit", [first, rest[0], pb.PutChunk(data=flipped), *rest[2:]]
        yield "names another session", [self.first(session_id=bytes(32)), *rest]
        yield "names another vector", [self.first(sha256="ab" * 32), *rest]
        yield "sends too long a message", [first, pb.PutChunk(data=bytes(5 * 2**20))]


async def code_of(stub: Any, chunks: Chunks, *, stalls: bool = False) -> str:
    """What the upload was refused with; `stored` if it was not."""
    from grpc.aio import AioRpcError  # after autoglm_protos, which pins TLS 1.3

    async def messages() -> AsyncIterator[pb.PutChunk]:
        for chunk in chunks:
            yield chunk
        if stalls:
            await asyncio.Event().wait()

    try:
        reply = await stub.Put(messages(), timeout=CALL_SECONDS)
    except AioRpcError as failure:
        error: Any = translate(failure)
        return str(getattr(error, "remote_code", error.code))
    return "stored" if reply.stored else "late"


async def refusal(stub: Any, upload: Upload, name: str) -> str:
    """What that case is refused with; gRPC may reset a call that sends on before its status is read ("internal")."""
    for _ in range(TRIES):
        code = await code_of(stub, dict(upload.cases())[name])
        if code != "internal":
            break
    return code


async def many_at_once(stub: Any, upload: Upload) -> list[str]:
    """Uploads that announce themselves with much data and then stand still; what all but the one received got."""
    first = upload.first(data=upload.image[:LARGE])
    calls = [asyncio.create_task(code_of(stub, [first], stalls=True)) for _ in range(AT_ONCE)]
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return [await call for call in itertools.islice(asyncio.as_completed(calls), AT_ONCE - 1)]
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def spoilt_uploads(stub: Any, upload: Upload) -> dict[str, Any]:
    """Each case's code, and the victim's memory before and at its peak."""
    victim = int(os.environ[VICTIM])
    before = forget_peak(victim)
    codes = {name: await refusal(stub, upload, name) for name, _ in upload.cases()}
    for _ in range(REPEATS):  # what one refused upload leaves behind would add up
        await code_of(stub, [upload.first(sha256="ab" * 32), *upload.rest])
    at_once = await many_at_once(stub, upload)
    return {"codes": codes, "at_once": at_once, "before": before, "peak": peak(victim)}


async def flooded_stream(connection: Connection, message: UploadVector) -> dict[str, Any]:
    """Messages as long as can be, of this session and of one that never was."""
    victim, junk = int(os.environ[VICTIM]), os.urandom(LARGE)
    before = forget_peak(victim)
    for number in range(FLOOD):
        session_id = message.session_id if number % 2 else bytes(32)
        connection.put(pb.AgentMessage(session=pb.SessionMessage(session_id=session_id, kind=3, body=junk)))
    async with asyncio.timeout(CALL_SECONDS):
        while not connection._outgoing.empty():  # noqa: ASYNC110 - a queue tells nobody that it is empty
            await asyncio.sleep(0.01)
    return {"before": before, "peak": peak(victim)}


class FloodingLine(Line):
    """Spoils the first vector of a training, and floods the stream at the second."""

    trained = 0

    async def upload(self, message: UploadVector) -> None:
        """As the product's, afterwards."""
        if message.vector.body.size:
            FloodingLine.trained += 1
            try:
                await self._attack(message)
            except Exception:
                # A mistake here ends this process: the study goes on without it, and the report is missing.
                traceback.print_exc()
                os._exit(1)
        await super().upload(message)

    async def _attack(self, message: UploadVector) -> None:
        if self.trained == 1:
            report("uploads", await spoilt_uploads(await self._stub(), Upload(message)))
        elif self.trained == 2:
            assert isinstance(self._connection, Connection)
            report("stream", await flooded_stream(self._connection, message))


def report(name: str, found: dict[str, Any]) -> None:
    """Write one part of the report, whole or not at all."""
    path = Path(os.environ[REPORT], f"{name}.json")
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(path)


if __name__ == "__main__":
    vars(daemon)["Line"] = FloodingLine
    sys.exit(main())
