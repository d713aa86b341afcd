"""What every parser of bytes from the other side keeps to, and how bytes are damaged to see whether it does.

For any bytes a parser returns a value, which encodes to the same bytes where there is an encoder, or raises one of its
own typed errors; nothing else, and within a bound on memory that is linear in the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from hypothesis import strategies as st

from autoglm_core.errors import AutoglmError

HUGE = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0, 1, 2**16, 2**24)
"""Lengths and counts that a sender may claim; 2^32-1 and what is near the ends of other integers."""
NESTS = (b"[", b'{"a":', b"(", b"\x0a\xff", b"- ", b"{")
LONG = 300


@dataclass(frozen=True)
class Parser:
    """One parser under the contract.

    `errors`: the typed errors that it may raise. `honest`: real encodings. `encode`: its inverse on what it returned;
    `spelled`: the bytes that `encode` must give where several spellings mean the same. `memory`: (bytes of peak memory
    per byte of input, bytes beside). `grow`: a valid input of about that many bytes, where input has no fixed size.
    `bomb`: bytes of an input that is to cost memory; fewer where reading takes long. `json`: its input is JSON.
    """

    name: str
    parse: Callable[[bytes], Any]
    errors: tuple[type[AutoglmError] | type[Exception], ...]
    samples: Callable[[], Sequence[bytes]]
    encode: Callable[[Any], bytes] | None = None
    spelled: Callable[[bytes], bytes] = bytes
    memory: tuple[int, int] = (16, 64 * 1024)
    grow: Callable[[int], bytes] | None = None
    bomb: int = 16 * 1024
    json: bool = False

    @cached_property
    def honest(self) -> tuple[bytes, ...]:
        """Real encodings, made once."""
        return tuple(self.samples())

    def check(self, data: bytes) -> bool:
        """Hold the parser to the contract for `data`; whether it read it."""
        try:
            value = self.parse(data)
        except self.errors:
            return False
        if self.encode is not None:
            again, wanted = self.encode(value), self.spelled(data)
            assert again == wanted, f"{self.name}: {data!r} was read and encodes to {again!r}"
        return True

    def check_alone(self, data: bytes) -> None:
        """As `check`, for a caller that wants no answer."""
        self.check(data)


JSON_MEMORY = (64, 256 * 1024)
JsonParser = partial(Parser, json=True, memory=JSON_MEMORY)
"""A parser of canonical JSON."""


@st.composite
def damaged(draw: st.DrawFn, parser: Parser) -> bytes:
    """An honest sample after up to four damages, or bytes that never were one."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=LONG))
    data = draw(st.sampled_from(parser.honest))
    for _ in range(draw(st.integers(0, 4))):
        data = draw(st.sampled_from(_DAMAGES))(draw, data, parser)
    return data


def _place(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _part(draw: st.DrawFn, data: bytes) -> bytes:
    start = _place(draw, data)
    return data[start : start + draw(st.integers(1, 64))]


def _flip(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    if not data:
        return data
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]


def _truncate(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    return data[: _place(draw, data)]


def _duplicate(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    at = _place(draw, data)
    return data[:at] + _part(draw, data) * draw(st.integers(1, 3)) + data[at:]


def _insert(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    at = _place(draw, data)
    return data[:at] + draw(st.binary(max_size=9)) + data[at:]


def _swap(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    cuts = sorted(_place(draw, data) for _ in range(3))
    return data[: cuts[0]] + data[cuts[1] : cuts[2]] + data[cuts[0] : cuts[1]] + data[cuts[2] :]


def _claim(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    at, size = _place(draw, data), draw(st.sampled_from([4, 8]))
    claim = draw(st.sampled_from(HUGE)).to_bytes(size, draw(st.sampled_from(["big", "little"])))
    return data[:at] + claim + data[at + size :]


def _nest(draw: st.DrawFn, data: bytes, _: Parser) -> bytes:
    at = _place(draw, data)
    return data[:at] + draw(st.sampled_from(NESTS)) * draw(st.sampled_from([3, 40, 2000, 100_000])) + data[at:]


def _splice(draw: st.DrawFn, data: bytes, parser: Parser) -> bytes:
    other = draw(st.sampled_from(parser.honest))
    return data[: _place(draw, data)] + other[_place(draw, other) :]


_DAMAGES = (_flip, _flip, _truncate, _duplicate, _insert, _swap, _claim, _nest, _splice)


def bombs(parser: Parser) -> list[bytes]:
    """Inputs of about `parser.bomb` bytes that are to cost more memory than they are long."""
    size = parser.bomb
    tokens = (b"[],", b"{},", b"1,", b'"ab",')
    found = [token * (size // len(token)) for token in (*tokens, b"[", b"\x00", b"\xff", b"- a\n")]
    found += [b"[" + token * (size // len(token)) + token[:-1] + b"]" for token in tokens]
    for sample in parser.honest[:2]:
        found.append(sample + bytes(size))
        found.append(sample * (1 + size // max(1, len(sample))))
        for at in range(0, min(len(sample), 160), 8):
            # A count that the bytes after it bear out for items as short as can be.
            found += [sample[:at] + (size // least).to_bytes(4, "big") + bytes(size) for least in (4, 8, 64)]
    return found if parser.grow is None else [*found, parser.grow(size)]
