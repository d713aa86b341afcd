"""The fixed binary form of everything that is hashed, signed or sealed in the secure sum.

Integers are big-endian and of fixed width, byte strings and texts carry a 32-bit length, lists a 32-bit count;
nothing is optional and nothing is skipped, so that two different values never share an encoding. Protobuf was
rejected because its encoding is not canonical; JSON because binary keys and shares would need a second encoding
inside it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Self

from autoglm_core.errors import InvalidInput

_COUNT_BYTES = 4


class Malformed(InvalidInput):
    """Bytes from the other side do not follow the format (`what` names the part, never its content)."""

    code = "malformed"

    def __init__(self, *, what: str) -> None:
        super().__init__(f"malformed bytes: {what}; both sides must run the same version", what=what)


class Writer:
    """Appends values one after the other; `finish` returns the bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def finish(self) -> bytes:
        """All that was written."""
        return b"".join(self._parts)

    def u8(self, value: int) -> Self:
        """One byte."""
        return self._pack(">B", value)

    def u32(self, value: int) -> Self:
        """Four bytes, big-endian."""
        return self._pack(">I", value)

    def u64(self, value: int) -> Self:
        """Eight bytes, big-endian."""
        return self._pack(">Q", value)

    def f64(self, value: float) -> Self:
        """IEEE 754 double, big-endian; finite only.

        Raises:
            ValueError: `value` is NaN or an infinity.
        """
        if not math.isfinite(value):
            raise ValueError("only finite numbers can be encoded")
        return self._pack(">d", value + 0.0)  # -0.0 becomes 0.0: equal values give equal bytes

    def flag(self, value: bool) -> Self:
        """One byte, 0 or 1."""
        return self.u8(int(value))

    def fixed(self, value: bytes, size: int) -> Self:
        """Exactly `size` bytes without a length.

        Raises:
            ValueError: `value` has another length.
        """
        if len(value) != size:
            raise ValueError(f"expected {size} bytes, received {len(value)}")
        self._parts.append(bytes(value))
        return self

    def blob(self, value: bytes) -> Self:
        """A 32-bit length, then the bytes."""
        self.u32(len(value))
        self._parts.append(bytes(value))
        return self

    def text(self, value: str) -> Self:
        """UTF-8 as `blob`."""
        return self.blob(value.encode())

    def texts(self, values: Iterable[str]) -> Self:
        """A 32-bit count, then each as `text`."""
        items = tuple(values)
        self.u32(len(items))
        for item in items:
            self.text(item)
        return self

    def _pack(self, form: str, value: float) -> Self:
        try:
            self._parts.append(struct.pack(form, value))
        except struct.error as error:
            raise ValueError(f"a value does not fit its field: {error}") from None
        return self


class Reader:
    """Reads what `Writer` wrote; the bytes are hostile until `end` returned.

    Every length is checked against what is left before anything is allocated.

    Raises:
        Malformed: from every method, and nothing else.
    """

    def __init__(self, data: bytes, *, what: str) -> None:
        self._data = bytes(data)
        self._at = 0
        self._what = what

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise Malformed(what=f"{self._what}: bytes left over")

    def u8(self) -> int:
        """Inverse of `Writer.u8`."""
        return self.fixed(1)[0]

    def u32(self) -> int:
        """Inverse of `Writer.u32`."""
        return int.from_bytes(self.fixed(4), "big")

    def u64(self) -> int:
        """Inverse of `Writer.u64`."""
        return int.from_bytes(self.fixed(8), "big")

    def f64(self) -> float:
        """Inverse of `Writer.f64`; refuses NaN, infinities and -0.0."""
        value: float = struct.unpack(">d", self.fixed(8))[0]
        if not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0):
            raise Malformed(what=f"{self._what}: number")
        return value

    def flag(self) -> bool:
        """Inverse of `Writer.flag`; any byte but 0 and 1 is refused."""
        value = self.u8()
        if value > 1:
            raise Malformed(what=f"{self._what}: flag")
        return value == 1

    def fixed(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        if size > len(self._data) - self._at:
            raise Malformed(what=f"{self._what}: too short")
        self._at += size
        return self._data[self._at - size : self._at]

    def blob(self) -> bytes:
        """Inverse of `Writer.blob`."""
        return self.fixed(self.u32())

    def text(self) -> str:
        """Inverse of `Writer.text`."""
        try:
            return self.blob().decode()
        except UnicodeDecodeError:
            raise Malformed(what=f"{self._what}: text") from None

    def texts(self) -> tuple[str, ...]:
        """Inverse of `Writer.texts`."""
        return tuple(self.text() for _ in range(self.count(_COUNT_BYTES)))

    def count(self, smallest: int) -> int:
        """A 32-bit count of items of at least `smallest` bytes each, refused if they cannot fit in what is left."""
        count = self.u32()
        if count * smallest > len(self._data) - self._at:
            raise Malformed(what=f"{self._what}: count")
        return count
