"""A site's numbers, clear or masked: two types that are no subclass of each other.

The type checker therefore refuses to send what is clear and to average what is masked. Both hold ring elements, not
floats; the way from floats is `ring.quantize`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from autoglm_core.errors import InvalidInput
from autoglm_core.privacy.layout import VectorLayout

Body = NDArray[np.uint16] | NDArray[np.uint32]
Tail = NDArray[np.uint64]


class WrongVector(InvalidInput):
    """A vector does not have the lanes that its session's layout asks for."""

    code = "wrong-vector"

    def __init__(self, *, expected: int, received: int, part: str) -> None:
        text = f"{part} of a vector: expected {expected}, received {received}"
        super().__init__(text, part=part, expected=expected, received=received)


@dataclass(frozen=True, eq=False)
class _Lanes:
    """`body` `(layout.body,)` uint16 or uint32 and `tail` `(layout.tail,)` uint64, both little-endian."""

    body: Body
    tail: Tail

    @property
    def layout(self) -> VectorLayout:
        """The layout that these arrays have."""
        return VectorLayout(body=self.body.size, body_bits=self.body.itemsize * 8, tail=self.tail.size)

    def require(self, layout: VectorLayout) -> None:
        """Raise `WrongVector` unless the arrays have exactly `layout`."""
        for part, array, size, dtype in (
            ("body", self.body, layout.body, layout.body_dtype),
            ("tail", self.tail, layout.tail, np.dtype("<u8")),
        ):
            if array.shape != (size,):
                raise WrongVector(expected=size, received=array.size, part=part)
            if array.dtype != dtype:
                raise WrongVector(expected=dtype.itemsize, received=array.dtype.itemsize, part=f"{part} lane bytes")

    def to_bytes(self) -> bytes:
        """The image: tail, then body, little-endian."""
        # One copy: a sum of 1e9 parameters is stored from here.
        return b"".join((np.ascontiguousarray(self.tail).data, np.ascontiguousarray(self.body).data))

    @property
    def sha256(self) -> str:
        """SHA-256 of the image, hexadecimal."""
        state = hashlib.sha256(np.ascontiguousarray(self.tail).data)
        state.update(np.ascontiguousarray(self.body).data)
        return state.hexdigest()

    @classmethod
    def from_bytes(cls, layout: VectorLayout, data: bytes | bytearray | memoryview) -> Self:
        """Read an image without copying it; writable where `data` is.

        Raises:
            WrongVector: `data` is not exactly as long as `layout` says.
        """
        if len(data) != layout.byte_size:
            raise WrongVector(expected=layout.byte_size, received=len(data), part="bytes")
        tail = np.frombuffer(data, np.dtype("<u8"), layout.tail)
        body: Body = np.frombuffer(data, layout.body_dtype, layout.body, layout.body_offset)
        return cls(body=body, tail=tail)

    @classmethod
    def zeros(cls, layout: VectorLayout) -> Self:
        """All lanes zero, writable."""
        return cls.from_bytes(layout, bytearray(layout.byte_size))

    def copy(self) -> Self:
        """A writable copy."""
        return type(self)(body=self.body.copy(), tail=self.tail.copy())


@dataclass(frozen=True, eq=False)
class ClearVector(_Lanes):
    """Ring elements that anyone can read: a site's own input, or the unmasked sum."""


@dataclass(frozen=True, eq=False)
class MaskedVector(_Lanes):
    """Ring elements under masks: what may leave a site, and their running sum at the coordinator."""

    known_sha256: str = field(default="", kw_only=True)
    """What a transport already computed over exactly these bytes; empty: computed when asked for."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the image, hexadecimal."""
        return self.known_sha256 or super().sha256

    def add(self, other: MaskedVector) -> None:
        """Add `other` lane by lane, in place, modulo the ring."""
        np.add(self.body, other.body, out=self.body)
        np.add(self.tail, other.tail, out=self.tail)
