"""Frames between a daemon and its child: JSON and raw blobs, each with its length in front, every length capped.

    frame = u32 length of head | head | blobs back to back
    head  = canonical JSON {"meta": {...}, "sizes": [bytes of each blob], ...}

Lengths are checked before anything is allocated. Pickle was rejected, and multiprocessing's pipes with it: a child
runs other people's models and must not be able to run code in the daemon that reads its answer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from autoglm_core.canonical import Json, canonical_json, read_canonical
from autoglm_core.encoding import Malformed
from autoglm_core.errors import AutoglmError, InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

Blob: TypeAlias = "bytes | bytearray | memoryview | NDArray[Any]"
"""A contiguous buffer."""

PREFIX = struct.Struct("<I")
HEAD_LIMIT = 8 * 2**20
"""Bytes of JSON in one frame."""
BLOB_COUNT_LIMIT = 4096
BLOBS_LIMIT = 2**31
"""Bytes of all blobs of one frame together."""


class BadFrame(AutoglmError):
    """The other end of the channel sent something that is not a frame of this protocol."""

    code = "bad-frame"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"a child process and its daemon lost step: {reason}", reason=reason)


class FrameTooLarge(InvalidInput):
    """What should be sent is over a cap of the channel."""

    code = "frame-too-large"

    def __init__(self, *, part: str, size: int, limit: int) -> None:
        super().__init__(f"{part} of {size} exceed {limit}; send less at once", part=part, size=size, limit=limit)


@dataclass(frozen=True)
class Head:
    """`fields`: everything but the sizes; `sizes`: bytes of each blob that follows."""

    fields: Json
    sizes: tuple[int, ...]


def encode(fields: Json, blobs: Sequence[Blob]) -> list[memoryview]:
    """The parts to write in order; blobs are not copied.

    Raises:
        FrameTooLarge: over a cap.
    """
    views = [byte_view(blob) for blob in blobs]
    head = canonical_json({**fields, "sizes": [view.nbytes for view in views]})
    _check("bytes of JSON", len(head), HEAD_LIMIT)
    _check("blobs", len(views), BLOB_COUNT_LIMIT)
    _check("bytes of blobs", sum(view.nbytes for view in views), BLOBS_LIMIT)
    return [memoryview(PREFIX.pack(len(head)) + head), *(view for view in views if view.nbytes)]


def head_length(prefix: bytes | memoryview) -> int:
    """Bytes of the head that follows `prefix` (`PREFIX.size` bytes)."""
    (length,) = PREFIX.unpack(prefix)
    if not 0 < length <= HEAD_LIMIT:
        raise BadFrame(reason="length of the head")
    return int(length)


def decode_head(data: bytes) -> Head:
    """Read a head.

    Raises:
        BadFrame: not canonical JSON of the agreed form, or sizes over the caps.
    """
    try:
        fields = read_canonical(data, what="frame")
    except Malformed as error:
        raise BadFrame(reason="form of the head") from error
    if not isinstance(fields, dict) or "sizes" not in fields:
        raise BadFrame(reason="form of the head")
    sizes = fields.pop("sizes")
    if not isinstance(sizes, list) or len(sizes) > BLOB_COUNT_LIMIT:
        raise BadFrame(reason="number of blobs")
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) > BLOBS_LIMIT:
        raise BadFrame(reason="sizes of blobs")
    return Head(fields=fields, sizes=tuple(sizes))


def byte_view(blob: Blob) -> memoryview:
    """The bytes of a contiguous buffer (an array included) without a copy."""
    buffer: Any = blob  # numpy's stubs know the buffer protocol from Python 3.12 on
    view = memoryview(buffer)
    return view.cast("B") if view.nbytes else memoryview(b"")


def _check(part: str, size: int, limit: int) -> None:
    if size > limit:
        raise FrameTooLarge(part=part, size=size, limit=limit)
