"""The running sums of open sessions: numbered files, each written over when the session that it belonged to is closed.

A sum is wanted until its masks are removed and never again, so it is no artifact: those stay for ever. Writing over a
file spares the file system a change of its own tables, and the kernel fresh memory: 4 MB are on disk after 1 ms
instead of 9.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from autoglm_coordinator.store.disk import storage_errors, sync, write_all


class RunningSums:
    """Files `<folder>/<place>`. `taken`: places of the sessions that are open; the other files are removed.

    `reserve` and `free` belong to one thread; `write` and `read` block and may run in any.
    """

    def __init__(self, folder: Path, *, taken: Collection[int]) -> None:
        self._folder = folder
        self._next = max(taken, default=-1) + 1
        self._free = set(range(self._next)) - set(taken)
        with storage_errors():
            folder.mkdir(parents=True, exist_ok=True)
            kept = {str(place) for place in taken}
            for file in folder.iterdir():
                if file.name not in kept:
                    file.unlink()

    def reserve(self) -> int:
        """A place that no session has."""
        if not self._free:
            self._free.add(self._next)
            self._next += 1
        return self._free.pop()

    def free(self, place: int | None) -> None:
        """No session on disk refers to `place` any more; None where there was no session."""
        if place is not None:
            self._free.add(place)

    def write(self, place: int, image: bytes | memoryview) -> None:
        """Put `image` at `place`, durably. Raises `StorageFull`: nothing is there."""
        path = self._folder / str(place)
        with storage_errors():
            new = not path.exists()
            try:
                _overwrite(path, image)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            if new:
                sync(self._folder)

    def read(self, place: int) -> bytes:
        """What was written at `place`."""
        with storage_errors():
            return (self._folder / str(place)).read_bytes()


def _overwrite(path: Path, image: bytes | memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        write_all(descriptor, image)
        os.ftruncate(descriptor, len(image))  # the sum that was here may have been longer
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
