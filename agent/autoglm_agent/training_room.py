"""Trainings of several studies share what `[limits] memory_gb` allows: side by side where they fit, else in turn.

Each study has a child of its own, and the limit caps each child. What they take together is kept below it by their
estimates, which follow from study and configuration alone. Who does not fit waits, in the order of coming: a refusal
would cost its round this site, for a coordinator that is told `busy` goes on with the others at once. A session waits
as long as its lease, and no training waits for another site's, so that no two wait for each other.

Counted are trainings alone. A child between two trainings keeps its rows and its model, and its own cap holds for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TrainingRoom:
    """`limit`: bytes that trainings may take together, None for any number."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._taken = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Wait until `size` bytes fit beside what is taken, and hold them.

        One that is larger than the limit waits until it is alone: whether it fits, its child knows better, which has
        seen how long the texts are.
        """
        if not size:  # not a training, or one too small to be asked about: it waits behind none
            yield
            return
        async with self._turn:
            while self._limit is not None and self._taken and self._taken + size > self._limit:
                self._freed.clear()
                await self._freed.wait()
            self._taken += size
        try:
            yield
        finally:
            self._taken -= size
            self._freed.set()
