"""The files of a pick, out of the tar stream in which the coordinator sends them.

The archive is read in memory and only plain files of six known names come out of it: no path of the archive ever
reaches the file system.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tarfile import BLOCKSIZE

from autoglm.errors import BadPick

MODEL, CONFIGURATION, CARD = "model.onnx", "configuration.yaml", "README.md"
FRONT, HYPERVOLUME = "front.png", "hypervolume.png"
TOKENIZER = "tokenizer.json"
NAMES = frozenset({MODEL, CONFIGURATION, CARD, FRONT, HYPERVOLUME, TOKENIZER})
LIMIT = 2**31
"""Bytes of a whole archive: an ONNX model that holds its own weights is smaller."""


def unpack_pick(archive: bytes | bytearray) -> dict[str, bytes]:
    """The files of `archive`, an uncompressed tar.

    Only headers of plain files are followed: what else a tar can hold (long names, sparse files, other headers that
    say more about the next one) costs memory or recursion that its bytes do not show.

    Raises:
        BadPick: not a tar, another name or kind of entry, a name twice, or no model in it.
    """
    files: dict[str, bytes] = {}
    for name, content in _entries(memoryview(archive)):
        if name not in NAMES or name in files:
            raise BadPick(reason=f"unexpected entry {name[:60]!r}")
        files[name] = bytes(content)
    if MODEL not in files:
        raise BadPick(reason=f"no {MODEL} in it")
    return files


def _entries(archive: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Name and content of each plain file, up to the block of zeros that ends an archive."""
    start = 0
    while any(header := archive[start : start + BLOCKSIZE]):
        try:
            entry = tarfile.TarInfo.frombuf(bytes(header), "utf-8", "strict")
        except (tarfile.TarError, ValueError) as error:
            raise BadPick(reason="not a tar archive") from error
        start += BLOCKSIZE
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not 0 <= entry.size <= len(archive) - start:
            raise BadPick(reason=f"unexpected entry {entry.name[:60]!r}")
        yield entry.name, archive[start : start + entry.size]
        start += -(-entry.size // BLOCKSIZE) * BLOCKSIZE


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write `files` into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
