"""Files by content hash: `<folder>/<first two digits>/<sha256>`.

A file appears under its name only when it is complete (written beside it, flushed, renamed), so that a name proves
the content up to damage of the disk. Names come from the other side of the wire: nothing but 64 hexadecimal digits
ever becomes part of a path.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from autoglm_coordinator.store.disk import storage_errors, sync, write_all
from autoglm_coordinator.store.errors import BadArtifactName, DamagedArtifact, UnknownArtifact
from autoglm_core.canonical import digest

_NAME = re.compile(r"[0-9a-f]{64}")


class ArtifactFiles:
    """Artifacts below one folder. Blocking: the store calls it off the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        with storage_errors():
            self._incoming.mkdir(parents=True, exist_ok=True)
            for leftover in self._incoming.iterdir():
                leftover.unlink()

    def put(self, data: bytes | memoryview, *, durable: bool = True) -> str:
        """Store `data`; its SHA-256.

        Raises:
            StorageFull: nothing was added.
        """
        sha256 = digest(data)
        target = self._path(sha256)
        with storage_errors():
            if not target.exists():
                self._write(target, data, durable)
            elif durable:
                # It may have come without `durable` before.
                sync(target)
                sync(target.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The whole content, checked against its name.

        Raises:
            UnknownArtifact: no such file.
            DamagedArtifact: the content no longer fits.
        """
        handle, _ = self.open(sha256)
        with handle, storage_errors():
            data = handle.read()
        if digest(data) != sha256:
            raise DamagedArtifact(sha256=sha256)
        return data

    def open(self, sha256: str, offset: int = 0) -> tuple[BinaryIO, int]:
        """A file open at `offset`, which may lie at or past the end, and its size in bytes.

        Raises:
            UnknownArtifact: no such file.
        """
        path = self._path(sha256)
        with storage_errors():
            try:
                handle = path.open("rb")
            except FileNotFoundError as error:
                raise UnknownArtifact(sha256=sha256) from error
            handle.seek(max(offset, 0))
            return handle, os.fstat(handle.fileno()).st_size

    def put_aside(self, sha256: str) -> None:
        """Nobody is about to read it: let the kernel use the memory of its cached content for the next file.

        A file of 4 MB is then on disk after 4 ms instead of 9, where a virtual machine gives unused memory back.
        """
        if sys.platform == "linux":
            with contextlib.suppress(OSError), self._path(sha256).open("rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def exists(self, sha256: str) -> bool:
        """Whether it is stored."""
        return self._path(sha256).exists()

    def delete(self, sha256: str) -> None:
        """Remove it; an absent one is no error."""
        self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        if not _NAME.fullmatch(sha256):
            raise BadArtifactName()
        return self._folder / sha256[:2] / sha256

    def _write(self, target: Path, data: bytes | memoryview, durable: bool) -> None:
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            sync(self._folder)
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as handle:
                write_all(handle.fileno(), data)
                if durable:
                    os.fsync(handle.fileno())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if durable:
            sync(target.parent)
