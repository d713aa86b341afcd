"""The files of a pick, out of the tar stream in which the coordinator sends them.

The archive is read in memory and only plain files of four known names come out of it: no path of the archive ever
reaches the file system.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from autoglm.errors import BadPick

MODEL, CONFIGURATION, CARD, FRONT = "model.onnx", "configuration.yaml", "README.md", "front.png"
NAMES = frozenset({MODEL, CONFIGURATION, CARD, FRONT})
LIMIT = 8 * 2**30
"""Bytes of a whole archive: far above any model that an edge device runs."""


def unpack_pick(archive: bytes) -> dict[str, bytes]:
    """The files of `archive`, an uncompressed tar.

    Raises:
        BadPick: not a tar, another name or kind of entry, a name twice, or no model in it.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for member in tar:
                if not member.isreg() or member.name not in NAMES or member.name in files:
                    raise BadPick(reason=f"unexpected entry {member.name[:60]!r}")
                content = tar.extractfile(member)
                files[member.name] = content.read() if content else b""
    except tarfile.TarError as error:
        raise BadPick(reason="not a tar archive") from error
    if MODEL not in files:
        raise BadPick(reason=f"no {MODEL} in it")
    return files


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
