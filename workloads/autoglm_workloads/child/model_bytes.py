"""A look into the bytes of an ONNX model before a runtime loads it: tensors that lie in other files are refused.

External data names paths; path traversal through them has had six CVEs. The lean agent has no `onnx` package, so the
fields that lead to a tensor are walked here on the wire format (protobuf.dev/programming-guides/encoding; numbers
from onnx.proto3). Refusing every model in which the runtime would look for a file, instead of judging its path,
leaves nothing to traverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autoglm_core.errors import InvalidInput

MAX_DEPTH = 32
"""Sub-graphs within sub-graphs."""

_NESTED: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_LARGEST_TAG = 2**32
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class ExternalData(InvalidInput):
    """A model keeps tensors in other files."""

    code = "external-data"

    def __init__(self) -> None:
        super().__init__("the ONNX model refers to tensors in other files; export it with external_data=False")


class BadModel(InvalidInput):
    """The bytes are no ONNX model."""

    code = "bad-model"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"these bytes are no ONNX model: {reason}", reason=reason)


def refuse_external_data(model: bytes) -> None:
    """Pass a model whose tensors are all inside it.

    Raises:
        ExternalData: one is not.
        BadModel: the bytes cannot be read.
    """
    if not model:
        raise BadModel(reason="empty")
    _walk(memoryview(model), "model", depth=0)


def _walk(message: memoryview, kind: str, *, depth: int) -> None:
    if depth > MAX_DEPTH * 3:  # graph, node, attribute
        raise BadModel(reason="nested too deeply")
    nested = _NESTED[kind]
    for number, value in _fields(message):
        if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)):
            raise ExternalData
        if number in nested and isinstance(value, memoryview):
            _walk(value, nested[number], depth=depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers with their varint or bytes; fixed-width fields give their bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag >= _LARGEST_TAG:
            # A runtime that keeps the low 32 bits alone would see another field here than this walk.
            raise BadModel(reason="field number")
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        size, at = _size(message, at, wire)
        if size > len(message) - at:
            raise BadModel(reason="a field runs past the end")
        yield tag >> 3, message[at : at + size]
        at += size


def _size(message: memoryview, at: int, wire: int) -> tuple[int, int]:
    if wire == _LENGTH:
        return _varint(message, at)
    if wire in (_FIXED64, _FIXED32):
        return (8 if wire == _FIXED64 else 4), at
    raise BadModel(reason=f"wire type {wire}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if at + index >= len(message):
            break
        byte = message[at + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise BadModel(reason="a number runs past the end")
