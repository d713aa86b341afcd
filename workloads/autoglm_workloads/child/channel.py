"""The child's end of the channel: blocking reads that land in their final buffer, and gathered writes."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from autoglm_core.canonical import Json
from autoglm_workloads.child import frames

_READ_LIMIT = 2**30
"""One `recv` of Linux moves less than 2 GiB."""
_GATHER_LIMIT = 512
"""Parts in one `sendmsg`; Linux takes 1,024."""


class ParentGone(Exception):
    """The daemon closed its end: the child is to leave."""


class Channel:
    """Frames over a connected, blocking stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self) -> tuple[Json, list[bytes]]:
        """The next frame.

        Raises:
            ParentGone: end of the stream.
            frames.BadFrame: not a frame.
        """
        length = frames.head_length(self._read(frames.PREFIX.size))
        head = frames.decode_head(self._read(length))
        return head.fields, [self._read(size) for size in head.sizes]

    def send(self, fields: Json, blobs: Sequence[frames.Blob] = ()) -> None:
        """Write one frame."""
        parts = frames.encode(fields, blobs)
        while parts:
            sent = self._connection.sendmsg(parts[:_GATHER_LIMIT])
            parts = _after(parts, sent)

    def _read(self, size: int) -> bytes:
        # With MSG_WAITALL the kernel fills the bytes object itself: no join, no second copy of a large blob.
        parts: list[bytes] = []
        while size:
            part = self._connection.recv(min(size, _READ_LIMIT), socket.MSG_WAITALL)
            if not part:
                raise ParentGone
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _after(parts: list[memoryview], sent: int) -> list[memoryview]:
    for index, part in enumerate(parts):
        if sent < part.nbytes:
            return [part[sent:], *parts[index + 1 :]]
        sent -= part.nbytes
    return []
