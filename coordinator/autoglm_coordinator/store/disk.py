"""Writing files so that they are there after a power cut, and saying in the store's terms why that failed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoglm_coordinator.store.errors import StorageFailed, StorageFull

_NO_SPACE = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write `data`, in as many calls as the kernel wants."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(path: Path) -> None:
    """Flush the file or folder at `path` to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise `StorageFull` or `StorageFailed` for what the operating system says."""
    try:
        yield
    except OSError as error:
        raise (StorageFull() if error.errno in _NO_SPACE else StorageFailed()) from error
