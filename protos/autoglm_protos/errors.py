"""One table from errors to gRPC status and back.

The status carries the kind; code, message and data travel beside it as canonical JSON, so that the other side
rebuilds the error without parsing text. What the product did not raise on purpose leaves as INTERNAL and says
nothing: a traceback may hold data.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio

from autoglm_core.canonical import Json, canonical_json, read_canonical
from autoglm_core.encoding import Malformed
from autoglm_core.errors import AutoglmError, Kind, RemoteError, Scalar

METADATA_KEY = "autoglm-error-bin"
MAX_ERROR_BYTES = 4096
"""An error with its data at most; more comes from no coordinator of ours."""
MAX_MESSAGE = 1000

STATUS: Mapping[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.ABORTED: grpc.StatusCode.ABORTED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}

KIND: Mapping[grpc.StatusCode, Kind] = {
    **{status: kind for kind, status in STATUS.items()},
    # gRPC itself answers with these; none of ours does.
    grpc.StatusCode.CANCELLED: Kind.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED: Kind.UNAVAILABLE,
    grpc.StatusCode.ALREADY_EXISTS: Kind.CONFLICT,
    grpc.StatusCode.OUT_OF_RANGE: Kind.INVALID,
    grpc.StatusCode.UNIMPLEMENTED: Kind.INVALID,
    grpc.StatusCode.DATA_LOSS: Kind.INTERNAL,
    grpc.StatusCode.UNKNOWN: Kind.INTERNAL,
}

if TYPE_CHECKING:
    _Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    _Interceptor = grpc.aio.ServerInterceptor  # not generic at run time

_log = logging.getLogger(__name__)
_OWN_FIELDS = ("message", "remote_code", "remote_kind", "self")


class Unreachable(AutoglmError):
    """The call failed before the other side answered as itself: network, proxy, TLS, or a deadline."""

    code = "unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"no answer from the coordinator ({reason}): check address, proxy and certificate", reason=reason
        )


class InternalError(AutoglmError):
    """A defect of the other side; only its own log says more."""

    code = "internal-error"
    kind = Kind.INTERNAL

    def __init__(self) -> None:
        super().__init__("a defect on the other side: its log says more")


def encode_error(error: AutoglmError) -> bytes:
    """`error` as it travels; data that would be too long is left out."""
    remote = error.remote_code if isinstance(error, RemoteError) else error.code
    value: Json = {"code": remote, "message": error.message[:MAX_MESSAGE], "data": error.data}
    encoded = canonical_json(value)
    return encoded if len(encoded) <= MAX_ERROR_BYTES else canonical_json({**value, "data": {}})


def status_of(error: AutoglmError) -> grpc.StatusCode:
    """The gRPC status of `error`."""
    return STATUS[error.remote_kind if isinstance(error, RemoteError) else error.kind]


def translate(failure: grpc.aio.AioRpcError) -> AutoglmError:
    """The error that a failed call stands for: `RemoteError` if the other side raised it, else `Unreachable`."""
    kind = KIND.get(failure.code(), Kind.INTERNAL)
    # The stubs describe the trailing metadata of the other API; it is an iterable of pairs.
    metadata: Iterable[Any] = failure.trailing_metadata() or ()
    carried = [value for key, value in metadata if key == METADATA_KEY and isinstance(value, bytes)]
    decoded = _decode(carried[0], kind) if carried else None
    if decoded is not None:
        return decoded
    if kind is Kind.UNAVAILABLE:
        return Unreachable(reason=(failure.details() or failure.code().name)[:MAX_MESSAGE])
    return RemoteError(
        f"the coordinator refused the call: {failure.code().name.lower()}",
        remote_code=failure.code().name.lower().replace("_", "-"),
        remote_kind=kind,
    )


def _decode(data: bytes, kind: Kind) -> RemoteError | None:
    """Hostile bytes to an error; None where they are of another form."""
    if len(data) > MAX_ERROR_BYTES:
        return None
    try:
        value = read_canonical(data, what="error")
        code, message, fields = value["code"], value["message"], value["data"]
    except (Malformed, KeyError, TypeError):
        return None
    if not (isinstance(code, str) and isinstance(message, str) and isinstance(fields, dict)):
        return None
    kept: dict[str, Scalar] = {
        name: scalar
        for name, scalar in fields.items()
        if name not in _OWN_FIELDS and (scalar is None or isinstance(scalar, str | int | float | bool))
    }
    return RemoteError(message, remote_code=code, remote_kind=kind, **kept)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: AutoglmError) -> NoReturn:
    """End the call of `context` with `error`."""
    metadata = ((METADATA_KEY, encode_error(error)),)
    try:
        await context.abort(status_of(error), error.message[:MAX_MESSAGE], trailing_metadata=metadata)
    except grpc.aio.AbortError as ended:
        asyncio.get_running_loop().call_soon(_forget, ended)
        raise
    raise AssertionError("abort returned")


def _forget(ended: BaseException) -> None:
    """Let go of the call.

    grpcio keeps the exception that ended a call, which by its traceback keeps the call: a cycle that no collector
    sees. Without this every refused call would stay in memory for good, with all that it had received.
    """
    ended.__traceback__ = ended.__context__ = None


async def _fail(context: grpc.aio.ServicerContext[Any, Any], failure: Exception) -> NoReturn:
    if isinstance(failure, grpc.aio.AbortError):
        asyncio.get_running_loop().call_soon(_forget, failure)
        raise failure
    error = failure
    if not isinstance(error, AutoglmError):
        _log.error("a call failed by a defect", exc_info=failure)
        error = InternalError()
    # What the method held when it failed, half a vector perhaps, is not kept until the peer took its status.
    traceback.clear_frames(failure.__traceback__)
    await abort(context, error)


class ErrorInterceptor(_Interceptor):
    """Turns what a servicer raises into a status, in one place for every service."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Wrap the method that answers this call."""
        handler = await continuation(handler_call_details)
        return handler and _wrapped(handler)


def _wrapped(handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    coders = {
        "request_deserializer": handler.request_deserializer,
        "response_serializer": handler.response_serializer,
    }
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(_single(handler.unary_unary), **coders)
    if handler.stream_unary:
        return grpc.stream_unary_rpc_method_handler(_single(_closing(handler.stream_unary)), **coders)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(_streaming(handler.unary_stream), **coders)
    if handler.stream_stream:
        return grpc.stream_stream_rpc_method_handler(_streaming(handler.stream_stream), **coders)
    return handler


def _closing(method: Callable[..., Any]) -> Callable[..., Any]:
    """What came last of a stream that was not read to its end is let go of at once, not when a collector finds it."""

    async def call(requests: AsyncIterable[Any], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        messages: Any = aiter(requests)
        try:
            return await method(messages, context)
        finally:
            await messages.aclose()

    return call


def _single(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request, context)
        except Exception as error:
            await _fail(context, error)

    return call


def _streaming(method: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.isasyncgenfunction(method):
        # A coroutine that calls context.write itself.
        return _single(method)

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            async for reply in method(request, context):
                yield reply
        except Exception as error:
            await _fail(context, error)

    return call
