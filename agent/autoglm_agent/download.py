"""Artifacts on their way in: what a coordinator announces and sends, put together within a bound.

Nothing is allocated because it was announced: memory grows with what arrives, never past what the first chunk
announced, and the announcements of one task's artifacts together never past what a child can be given. A connection
that broke is gone on with from the byte where it stopped.
"""

from __future__ import annotations

from autoglm_core.canonical import digest
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_workloads.child.frames import BLOBS_LIMIT


class Room:
    """Bytes that the artifacts of one task may take together."""

    def __init__(self, size: int = BLOBS_LIMIT) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Set `size` bytes aside; raises `RefusedWith` `artifact-damaged` where fewer are left."""
        if size > self._left:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)
        self._left -= size


class Download:
    """The artifact whose SHA-256 is `sha256`, from one call or several."""

    def __init__(self, sha256: str, room: Room) -> None:
        self._sha256 = sha256
        self._room = room
        self._total: int | None = None
        self._first = True
        self._received = bytearray()

    @property
    def offset(self) -> int:
        """Bytes that are here: where the next call goes on."""
        return len(self._received)

    @property
    def complete(self) -> bool:
        """Whether as many bytes came as were announced."""
        return self.offset == self._total

    def begin(self) -> None:
        """The next chunk is the first of a new call."""
        self._first = True

    def add(self, total: int, data: bytes) -> None:
        """One chunk; `total`, the size of the whole, counts in the first of a call.

        Raises:
            RefusedWith: `artifact-damaged`: more than there is room for, more than announced, another size, or nothing.
        """
        if self._first:
            self._announced(total)
        elif not data:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)
        if self._total is None or self.offset + len(data) > self._total:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)
        self._received += data

    def _announced(self, total: int) -> None:
        self._first = False
        if self._total is None:
            self._room.take(total)
            self._total = total
        if total != self._total:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)

    def finish(self) -> memoryview:
        """The whole artifact, read-only; raises `RefusedWith` `artifact-damaged` where its hash is another."""
        data = memoryview(self._received).toreadonly()
        if digest(data) != self._sha256:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)
        return data
