"""The table from errors to gRPC status has no hole in either direction; hostile bytes become nothing else."""

from __future__ import annotations

import json

import grpc.aio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.canonical import canonical_json
from autoglm_core.errors import AutoglmError, Kind, RemoteError, Scalar
from autoglm_protos.errors import KIND, MAX_ERROR_BYTES, METADATA_KEY, STATUS, Unreachable, encode_error, translate

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False)
)
NAMES = st.text(st.characters(categories=["Ll"]), min_size=1, max_size=10)
KEEP_DEADLINE_OUT = settings(derandomize=True, max_examples=60, deadline=None)


def failed_call(code: grpc.StatusCode, *carried: bytes) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata(*((METADATA_KEY, data) for data in carried))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, "details", None)


def test_every_kind_has_a_status_of_its_own_and_comes_back() -> None:
    assert set(STATUS) == set(Kind)
    assert len(set(STATUS.values())) == len(Kind)
    assert all(KIND[STATUS[kind]] is kind for kind in Kind)


def test_every_status_that_a_call_can_fail_with_has_a_kind() -> None:
    assert set(KIND) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


@KEEP_DEADLINE_OUT
@given(st.sampled_from(Kind), st.dictionaries(NAMES, SCALARS, max_size=4), st.text(max_size=200))
def test_an_error_arrives_as_it_was_raised(kind: Kind, data: dict[str, Scalar], message: str) -> None:
    class Raised(AutoglmError):
        code = "raised-somewhere"

    Raised.kind = kind
    error = Raised(message, **{name: value for name, value in data.items() if name not in ("message", "self")})
    received = translate(failed_call(STATUS[kind], encode_error(error)))
    assert isinstance(received, RemoteError)
    assert (received.remote_code, received.remote_kind) == ("raised-somewhere", kind)
    assert (received.message, received.data) == (message, error.data)
    again = translate(failed_call(STATUS[kind], encode_error(received)))
    assert isinstance(again, RemoteError) and again.remote_code == "raised-somewhere"


HOSTILE = [
    b"",
    b"\xff",
    b"[]",
    b"null",
    b"{}",
    b'{"code":1,"message":"m","data":{}}',
    b'{"code":"c","message":"m","data":[]}',
    b"[" * 100_000,
    json.dumps({"code": "c", "message": "m" * MAX_ERROR_BYTES, "data": {}}).encode(),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_damaged_metadata_falls_back_to_the_status(data: bytes) -> None:
    received = translate(failed_call(grpc.StatusCode.PERMISSION_DENIED, data))
    assert isinstance(received, RemoteError)
    assert (received.remote_code, received.remote_kind) == ("permission-denied", Kind.DENIED)


@KEEP_DEADLINE_OUT
@given(st.binary(max_size=200))
def test_any_bytes_become_an_error_and_nothing_else(data: bytes) -> None:
    assert isinstance(translate(failed_call(grpc.StatusCode.ABORTED, data)), RemoteError)


def test_data_cannot_pose_as_the_errors_own_fields() -> None:
    data = {"remote_code": "other", "remote_kind": "invalid", "message": "other", "self": 1, "nested": {"a": 1}, "n": 3}
    carried = canonical_json({"code": "c", "message": "m", "data": data})
    received = translate(failed_call(grpc.StatusCode.ABORTED, carried))
    assert isinstance(received, RemoteError)
    assert (received.remote_code, received.message, received.data) == ("c", "m", {"n": 3})


def test_a_call_that_reached_nobody_says_what_to_check() -> None:
    for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        assert isinstance(translate(failed_call(code)), Unreachable)


def test_an_error_with_too_much_data_still_tells_its_code() -> None:
    error = AutoglmError("m" * 3000, note="n" * 5000)
    encoded = encode_error(error)
    assert len(encoded) <= MAX_ERROR_BYTES
    received = translate(failed_call(grpc.StatusCode.INTERNAL, encoded))
    assert isinstance(received, RemoteError) and received.remote_code == "internal"
