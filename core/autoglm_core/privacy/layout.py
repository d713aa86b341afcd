"""Where each number of a site's vector lies: a tail of 64-bit lanes, then a body of 16- or 32-bit lanes.

The tail (weights of averaging, counters) comes first so that both lanes are aligned without padding; byte i of a
mask's keystream always falls on byte i of this image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autoglm_core.errors import InvalidInput

TAIL_BYTES = 8
LARGEST_BODY = 2**30
LARGEST_TAIL = 2**22


class BadLayout(InvalidInput):
    """A vector layout that this version cannot carry."""

    code = "bad-layout"

    def __init__(self, *, field: str, value: int) -> None:
        super().__init__(f"vector layout: {field} cannot be {value}", field=field, value=value)


@dataclass(frozen=True)
class VectorLayout:
    """`body` lanes of `body_bits` (16 or 32) for weights, `tail` lanes of 64 bits for counters.

    Raises:
        BadLayout: a size is negative or too large, or `body_bits` is neither 16 nor 32.
    """

    body: int
    body_bits: int
    tail: int

    def __post_init__(self) -> None:
        if self.body_bits not in (16, 32):
            raise BadLayout(field="body_bits", value=self.body_bits)
        if not 0 <= self.body <= LARGEST_BODY:
            raise BadLayout(field="body", value=self.body)
        if not 0 <= self.tail <= LARGEST_TAIL:
            raise BadLayout(field="tail", value=self.tail)

    @property
    def body_dtype(self) -> np.dtype[Any]:
        """Lanes of the body: uint16 or uint32, little-endian."""
        return np.dtype("<u2") if self.body_bits == 16 else np.dtype("<u4")

    @property
    def body_offset(self) -> int:
        """Bytes before the body: the tail."""
        return self.tail * TAIL_BYTES

    @property
    def byte_size(self) -> int:
        """Bytes of the whole image."""
        return self.body_offset + self.body * self.body_bits // 8
