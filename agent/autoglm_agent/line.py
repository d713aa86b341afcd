"""An agent's connection as its tasks see it: say something, fetch an artifact, deliver a vector.

The connection behind it changes (a renewal, a lost network, a coordinator that restarts); tasks keep this object.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

import grpc.aio

from autoglm_agent.backoff import Backoff
from autoglm_agent.download import Download, Room
from autoglm_agent.egress import Egress
from autoglm_agent.outgoing import FetchArtifact, StreamMessage, UploadVector
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.errors import Kind, RemoteError
from autoglm_protos.errors import translate
from autoglm_protos.v1 import agent_pb2 as pb

if TYPE_CHECKING:
    from autoglm_protos.v1.agent_pb2_grpc import AgentServiceAsyncStub

KEPT_BYTES = 12 * 2**20
"""A round's model is asked for again by the evaluation that follows; more than this much is fetched twice."""
_PASSING = frozenset({Kind.UNAVAILABLE, Kind.ABORTED, Kind.EXHAUSTED})
_RESET = frozenset({"cancelled", "internal", "unknown"})
"""What gRPC makes of a stream that was reset before its status could be read; the coordinator's own errors say more."""


class Connected(Protocol):
    """A stream that said hello and was welcomed."""

    @property
    def stub(self) -> AgentServiceAsyncStub:
        """The calls beside the stream."""
        ...

    def put(self, message: pb.AgentMessage) -> None:
        """Queue a message; one that comes after the end is dropped."""
        ...


class Incoming(Protocol):
    """An artifact on its way in, see `Download`."""

    @property
    def offset(self) -> int:
        """Bytes that are here."""
        ...

    @property
    def complete(self) -> bool:
        """Whether all are."""
        ...

    def begin(self) -> None:
        """A new call."""
        ...

    def add(self, total: int, data: bytes) -> None:
        """One chunk."""
        ...


class Line:
    """Sends through whatever connection there is at the moment."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._connection: Connected | None = None
        self._up = asyncio.Event()
        self._kept: OrderedDict[str, memoryview] = OrderedDict()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    def attach(self, connection: Connected) -> None:
        """Use `connection` from now on."""
        self._connection = connection
        self._up.set()

    def detach(self, connection: Connected) -> None:
        """`connection` ended; nothing to do where another took its place."""
        if self._connection is connection:
            self._connection = None
            self._up.clear()

    def send(self, message: StreamMessage) -> None:
        """Say `message`; without a connection it is dropped, for the coordinator counts this agent as lost.

        Raises:
            NotAllowedOut: it may not leave.
        """
        if self._connection is not None:
            self._connection.put(self._egress.admit(message))

    async def fetch(self, sha256: str, *, study: str, room: Room) -> memoryview:
        """The artifact of that hash, within `room`; goes on where it stopped when the connection breaks.

        Raises:
            RefusedWith: `artifact-unavailable` or `artifact-damaged`.
        """
        if sha256 in self._kept:
            self._kept.move_to_end(sha256)
            return self._kept[sha256]
        download = Download(sha256, room)
        await self.fetch_file(sha256, download, study=study)
        data = await asyncio.to_thread(download.finish)
        self._keep(sha256, data)
        return data

    async def fetch_file(self, sha256: str, download: Incoming, *, study: str) -> None:
        """As `fetch`, into whatever takes the bytes, which are neither checked nor kept here."""
        delays = Backoff()
        while not await self._receive(sha256, download, study):  # noqa: ASYNC110
            await asyncio.sleep(delays.next())

    async def _receive(self, sha256: str, download: Incoming, study: str) -> bool:
        """Add what is missing; whether it is complete."""
        request = self._egress.admit_fetch(FetchArtifact(sha256, download.offset, study))
        download.begin()
        call = (await self._stub()).Get(request)
        try:
            async for chunk in call:
                download.add(chunk.total, chunk.data)
        except grpc.aio.AioRpcError as failure:
            if not _passes(failure):
                raise RefusedWith(RefusalCode.ARTIFACT_UNAVAILABLE) from None
            return False
        finally:
            # A stream that is refused and goes on would keep the connection's window from every other.
            call.cancel()
        return download.complete

    def _keep(self, sha256: str, data: memoryview) -> None:
        self._kept[sha256] = data
        while self._kept and sum(map(len, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)

    async def upload(self, message: UploadVector) -> None:
        """Deliver a masked vector; when the connection breaks the same bytes are sent again.

        Raises:
            RefusedWith: `upload-failed`: the coordinator does not want it any more.
            NotAllowedOut: it may not leave.
        """
        delays = Backoff()
        while True:
            chunks = await asyncio.to_thread(self._egress.admit_upload, message)
            try:
                reply = await _put(await self._stub(), chunks)
            except grpc.aio.AioRpcError as failure:
                if not _passes(failure):
                    raise RefusedWith(RefusalCode.UPLOAD_FAILED) from None
                await asyncio.sleep(delays.next())
                continue
            if not reply.stored:
                raise RefusedWith(RefusalCode.UPLOAD_FAILED)
            return

    async def _stub(self) -> AgentServiceAsyncStub:
        """The calls of the present connection; waits for one."""
        while self._connection is None:
            await self._up.wait()
        return self._connection.stub


def _passes(failure: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may succeed later."""
    error = translate(failure)
    if isinstance(error, RemoteError):
        return error.remote_kind in _PASSING or error.remote_code in _RESET
    return error.kind in _PASSING


async def _put(stub: AgentServiceAsyncStub, chunks: Iterator[pb.PutChunk]) -> pb.PutReply:
    """Announce the vector by its first chunk; send the rest once the coordinator's metadata say that it has room."""
    call: asyncio.Future[grpc.aio.StreamUnaryCall[pb.PutChunk, pb.PutReply]] = asyncio.Future()

    async def messages() -> AsyncIterator[pb.PutChunk]:
        yield next(chunks)
        await (await call).initial_metadata()
        for chunk in chunks:
            yield chunk

    call.set_result(stub.Put(messages()))
    return await call.result()
