"""The parsers of language models: what a coordinator says a model consists of, and the head of a file of weights."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path

from autoglm_core.canonical import read_canonical
from autoglm_core.encoding import Malformed
from autoglm_workloads.models.errors import OddFile, TooLarge, WeightsUnfit
from autoglm_workloads.models.files import check_header, listing, read_listing
from support.parser_contract import JsonParser, Parser

TENSORS = {"b": ("BF16", 6), "a.weight": ("F32", 8), "positions": ("I64", 16)}


def _listing(data: bytes) -> dict[str, str]:
    return read_listing(read_canonical(data, what="model"))


def _listings() -> list[bytes]:
    return [listing({"config.json": "ab" * 32, "model.safetensors": "cd" * 32}), listing({"a": "0" * 64})]


def _weights(times: int = 1) -> bytes:
    header, end = {}, 0
    for number in range(times):
        for name, (kind, size) in TENSORS.items():
            header[f"{name}.{number}"] = {"dtype": kind, "shape": [size], "data_offsets": [end, end + size]}
            end += size
    head = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(end)


def _header(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        check_header(Path(file.name))


MODELS = (
    JsonParser("model-listing", _listing, (Malformed,), _listings, listing),
    Parser(
        "safetensors-header",
        _header,
        (OddFile, TooLarge, WeightsUnfit),
        lambda: [_weights(), _weights(3)],
        memory=(64, 256 * 1024),
        grow=lambda size: _weights(max(1, size // len(_weights()))),
    ),
)
