"""Frames between a daemon and its child: what is written is read, what is hostile is refused before it costs memory."""

from __future__ import annotations

import json
import socket
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_workloads.child import frames
from autoglm_workloads.child.channel import Channel, ParentGone

BLOBS = st.lists(st.binary(max_size=64), max_size=5)
META = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(META, BLOBS)
def test_what_one_end_sends_the_other_receives(meta: dict[str, object], blobs: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Channel(ours).send({"meta": meta}, blobs)
        assert Channel(theirs).receive() == ({"meta": meta}, blobs)


def test_more_parts_than_one_system_call_takes_arrive_in_order() -> None:
    ours, theirs = socket.socketpair()
    blobs = [np.full(1000, index, np.float32) for index in range(1500)]
    with ours, theirs:
        writer = threading.Thread(target=Channel(ours).send, args=({}, blobs))
        writer.start()
        _, received = Channel(theirs).receive()
        writer.join()
    assert received == [blob.tobytes() for blob in blobs]


def test_an_array_is_sent_without_a_copy() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    part = frames.encode({}, [array])[1]
    array[0, 0] = 7.0
    assert np.frombuffer(part, np.float32)[0] == 7.0


def test_an_empty_array_is_a_blob_of_no_bytes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Channel(ours).send({}, [np.zeros((0, 3), np.float32), b"x"])
        assert Channel(theirs).receive()[1] == [b"", b"x"]


@pytest.mark.parametrize(
    "head",
    [
        b"[]",
        b"{}",
        b"{",
        b"\xff",
        b'{"sizes": 3}',
        b'{"sizes": [-1]}',
        b'{"sizes": [true]}',
        b'{"sizes": [1.0]}',
        json.dumps({"sizes": [frames.BLOBS_LIMIT, 1]}).encode(),
        json.dumps({"sizes": [0] * (frames.BLOB_COUNT_LIMIT + 1)}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_hostile_head_is_refused(head: bytes) -> None:
    with pytest.raises(frames.BadFrame):
        frames.decode_head(head)


@pytest.mark.parametrize("length", [0, frames.HEAD_LIMIT + 1, 2**32 - 1])
def test_a_hostile_length_is_refused_before_anything_is_read(length: int) -> None:
    with pytest.raises(frames.BadFrame):
        frames.head_length(frames.PREFIX.pack(length))


def test_what_is_over_a_cap_is_refused_by_its_sender() -> None:
    with pytest.raises(frames.FrameTooLarge) as refused:
        frames.encode({}, [b""] * (frames.BLOB_COUNT_LIMIT + 1))
    assert refused.value.data == {"part": "blobs", "size": 4097, "limit": 4096}


def test_a_stream_that_ends_inside_a_frame_is_the_parents_end() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(frames.PREFIX.pack(100) + b"{")
        with pytest.raises(ParentGone):
            Channel(theirs).receive()
