"""The files of a pick come from the network: nothing but four plain files comes out."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from autoglm.errors import BadPick
from autoglm.pick_archive import unpack_pick, write_files


def archive(*entries: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_the_known_files_come_out_whole(tmp_path: Path) -> None:
    files = unpack_pick(
        archive(("model.onnx", b"weights"), ("configuration.yaml", b"tune: {}\n"), ("README.md", b"# card"))
    )
    write_files(files, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "configuration.yaml",
        "model.onnx",
    ]
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"weights"


@pytest.mark.parametrize(
    "content",
    [
        b"no archive at all" * 100,
        archive(("README.md", b"no model")),
        archive(("../model.onnx", b"x")),
        archive(("/model.onnx", b"x")),
        archive(("model.onnx", b"x"), ("evil.sh", b"x")),
        archive(("model.onnx", b"x"), ("model.onnx", b"y")),
        archive(("model.onnx", b""), kind=tarfile.SYMTYPE),
        archive(("model.onnx", b""), kind=tarfile.GNUTYPE_SPARSE),
        archive(("model.onnx", b""), kind=tarfile.XHDTYPE) * 2000,
        archive(("model.onnx", b""), kind=tarfile.GNUTYPE_LONGNAME)[:512] * 5000,
        archive(("model.onnx", b"x" * 600))[:1024],
        b"\xff" * 512,
    ],
    ids=[
        *("garbage", "no-model", "parent", "absolute", "stranger", "twice", "link"),
        *("sparse", "headers", "long-names", "cut", "not-utf-8"),
    ],
)
def test_everything_else_is_refused(content: bytes) -> None:
    with pytest.raises(BadPick):
        unpack_pick(content)
