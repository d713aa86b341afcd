"""Errors over a real connection, in all four shapes of a call."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc.aio
import pytest

from autoglm_core.errors import AutoglmError, Conflict, Kind, RemoteError
from autoglm_protos.errors import METADATA_KEY, ErrorInterceptor, Unreachable, translate

PRIVATE = "/srv/heart.csv row 17: age=54"


class RosterMissing(Conflict):
    code = "roster-missing"

    def __init__(self, *, version: int) -> None:
        super().__init__(f"accept roster {version} — first", version=version)


def failing(error: Exception, shape: str) -> grpc.GenericRpcHandler[Any, Any]:
    async def single(request: Any, context: Any) -> bytes:
        raise error

    async def streaming(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        raise error

    async def writing(request: Any, context: Any) -> None:
        await context.write(b"first")
        raise error

    return handlers(shape, single=single, streaming=streaming, writing=writing)


def handlers(shape: str, *, single: Any, streaming: Any, writing: Any) -> grpc.GenericRpcHandler[Any, Any]:
    methods = {
        "unary_unary": grpc.unary_unary_rpc_method_handler(single),
        "stream_unary": grpc.stream_unary_rpc_method_handler(single),
        "unary_stream": grpc.unary_stream_rpc_method_handler(streaming),
        "stream_stream": grpc.stream_stream_rpc_method_handler(writing),
    }
    return grpc.method_handlers_generic_handler("test", {"call": methods[shape]})


async def call(address: str, shape: str) -> list[bytes]:
    async with grpc.aio.insecure_channel(address) as channel:
        method = getattr(channel, shape)("/test/call")
        asked = iter([b"request"]) if shape.startswith("stream") else b"request"
        reply = method(asked, timeout=10)
        return [await reply] if shape.endswith("unary") else [part async for part in reply]


def outcome(error: Exception, shape: str) -> grpc.aio.AioRpcError:
    async def story() -> grpc.aio.AioRpcError:
        server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        server.add_generic_rpc_handlers((failing(error, shape),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(f"127.0.0.1:{port}", shape)
            return caught.value
        finally:
            await server.stop(None)

    return asyncio.run(story())


SHAPES = ["unary_unary", "stream_unary", "unary_stream", "stream_stream"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_typed_error_arrives_with_code_kind_and_data(shape: str) -> None:
    received = translate(outcome(RosterMissing(version=3), shape))
    assert isinstance(received, RemoteError)
    assert (received.remote_code, received.remote_kind, received.data) == (
        "roster-missing",
        Kind.CONFLICT,
        {"version": 3},
    )
    assert received.message == "accept roster 3 — first"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_defect_leaves_no_text_on_the_wire(shape: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        failure = outcome(ValueError(PRIVATE), shape)
    assert failure.code() is grpc.StatusCode.INTERNAL
    metadata: Iterable[Any] = failure.trailing_metadata()
    carried = [bytes(value) for key, value in metadata if key == METADATA_KEY]
    assert len(carried) == 1
    for text in (str(failure.details()), repr(failure), repr(carried)):
        assert "heart" not in text and "ValueError" not in text
    received = translate(failure)
    assert isinstance(received, RemoteError) and received.remote_code == "internal-error"


def test_nobody_there_is_unreachable() -> None:
    async def story() -> AutoglmError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("127.0.0.1:1", "unary_unary")
        return translate(caught.value)

    assert isinstance(asyncio.run(story()), Unreachable)


@pytest.mark.parametrize("shape", SHAPES)
def test_refused_calls_leave_nothing_behind(shape: str) -> None:
    """grpcio keeps the exception that ends a call, and with it all that the call received, in a cycle for good."""

    async def story() -> None:
        server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        server.add_generic_rpc_handlers((failing_anew(shape),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            for _ in range(CALLS):
                with pytest.raises(grpc.aio.AioRpcError):
                    await call(f"127.0.0.1:{port}", shape)
            async with asyncio.timeout(5):
                while _living() > 1:  # noqa: ASYNC110 - the last call's end is not told
                    await asyncio.sleep(0.01)
        finally:
            await server.stop(None)

    asyncio.run(story())


CALLS = 20


class Held(Conflict):
    """An error with which a call dies that holds a vector."""

    code = "held"

    def __init__(self) -> None:
        super().__init__("held")


def failing_anew(shape: str) -> grpc.GenericRpcHandler[Any, Any]:
    def fail() -> None:
        raise Held

    async def single(request: Any, context: Any) -> bytes:
        fail()
        return b""

    async def streaming(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        fail()

    async def writing(request: Any, context: Any) -> None:
        await context.write(b"first")
        fail()

    return handlers(shape, single=single, streaming=streaming, writing=writing)


def _living() -> int:
    gc.collect()
    return sum(type(entry) is Held for entry in gc.get_objects())
