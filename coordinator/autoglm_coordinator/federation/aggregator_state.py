"""What an aggregator remembers between rounds, and its bytes in the store.

The form is a JSON header and raw little-endian float32, because pickle runs code and npz is a zip archive: its reader
would have to be guarded against bombs and its bytes carry a time of writing, so that equal states would not have equal
hashes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from autoglm_core.canonical import Json, canonical_json
from autoglm_core.errors import InvalidInput
from autoglm_core.workload import Vector

MAGIC = b"autoglm/aggregator/1\n"
HEADER_LIMIT = 4096
"""Bytes of JSON; a handful of names and lengths takes a tenth of it."""


class BadAggregatorState(InvalidInput):
    """Stored bytes are not an aggregator's state."""

    code = "bad-aggregator-state"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"aggregator state refused: {reason}", reason=reason)


@dataclass(frozen=True, eq=False)
class AggregatorState:
    """`step`: rounds folded in. `arrays`: by name, each `(n,)` float32; read-only by agreement."""

    step: int = 0
    arrays: Mapping[str, Vector] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self) -> bytes:
        """Bytes that are equal for equal states; empty for the empty state."""
        if self.step == 0 and not self.arrays:
            return b""
        names = sorted(self.arrays)
        header: Json = {"step": self.step, "arrays": [[name, self.arrays[name].size] for name in names]}
        parts = [np.ascontiguousarray(self.arrays[name], dtype="<f4").tobytes() for name in names]
        text = canonical_json(header)
        return b"".join([MAGIC, len(text).to_bytes(4, "little"), text, *parts])

    @classmethod
    def decode(cls, data: bytes | memoryview) -> AggregatorState:
        """Inverse of `encode`. The arrays are read-only views of `data`.

        Raises:
            BadAggregatorState: not of this form, of another length, or not finite.
        """
        if len(data) == 0:
            return cls()
        header, start = _header(bytes(data[: len(MAGIC) + 4 + HEADER_LIMIT]))
        step, lengths = _entries(header)
        if start + 4 * sum(lengths.values()) != len(data):
            raise BadAggregatorState(reason="length")
        arrays: dict[str, Vector] = {}
        for name, length in lengths.items():
            array = np.frombuffer(data, dtype="<f4", count=length, offset=start)
            if not np.isfinite(array).all():
                raise BadAggregatorState(reason="not finite")
            arrays[name] = array
            start += 4 * length
        return cls(step, arrays)


def _header(data: bytes) -> tuple[object, int]:
    start = len(MAGIC) + 4
    if not data.startswith(MAGIC) or len(data) < start:
        raise BadAggregatorState(reason="magic")
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    if length > HEADER_LIMIT or len(data) < start + length:
        raise BadAggregatorState(reason="header length")
    try:
        return json.loads(data[start : start + length]), start + length
    except (ValueError, RecursionError) as error:
        raise BadAggregatorState(reason="header") from error


def _entries(header: object) -> tuple[int, dict[str, int]]:
    match header:
        case {"step": int(step), "arrays": list(entries), **rest} if not rest and step >= 0:
            lengths = {}
            for entry in entries:
                match entry:
                    case [str(name), int(length)] if length >= 0 and name not in lengths:
                        lengths[name] = length
                    case _:
                        raise BadAggregatorState(reason="array entry")
            return step, lengths
        case _:
            raise BadAggregatorState(reason="header")
