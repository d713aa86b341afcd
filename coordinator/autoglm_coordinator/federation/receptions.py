"""How much memory masked vectors take while they arrive.

A vector is added to the running sum only when all of it has come and its hash is known, so each one on its way needs a
buffer of its size: a hundred sites that finish together would need a hundred. Their sum is therefore received in turn.
Adding chunks as they come was rejected: half a vector cannot be taken out of a sum again. So was a buffer that several
sites add to: one of them that breaks off costs all of them their upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from autoglm_core.errors import AutoglmError, Kind

UPLOAD_BYTES = 64 * 10**6
"""Sixteen vectors of 1e6 parameters at 32 bits, or one of 1e7. With more, more slow sites send at a time."""


class UploadUnderWay(AutoglmError):
    """A sender began a second upload of one vector."""

    code = "upload-under-way"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("this vector is being received over another call; try again when that one ended")


class Receptions:
    """Room for vectors that arrive, of all sessions together: `memory` bytes, or one vector that is larger."""

    def __init__(self, memory: int = UPLOAD_BYTES) -> None:
        self._memory = memory
        self._used = 0
        self._door = asyncio.Lock()
        self._freed = asyncio.Event()
        self._senders: set[Hashable] = set()

    @asynccontextmanager
    async def room(self, size: int, *, sender: Hashable) -> AsyncIterator[None]:
        """Wait for room for `size` bytes, in the order of arrival, and hold it.

        Raises:
            UploadUnderWay: `sender` waits or has room already; else one site could take the room of all.
        """
        if sender in self._senders:
            raise UploadUnderWay
        self._senders.add(sender)
        try:
            async with self._held(size):
                yield
        finally:
            self._senders.discard(sender)

    @asynccontextmanager
    async def _held(self, size: int) -> AsyncIterator[None]:
        async with self._door:  # asyncio's locks are fair: a large vector is not overtaken by small ones for ever
            while self._used and self._used + size > self._memory:
                self._freed.clear()
                await self._freed.wait()
            self._used += size
        try:
            yield
        finally:
            self._used -= size
            self._freed.set()
