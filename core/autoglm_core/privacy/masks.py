"""Masks: AES-256-CTR keystreams added to or subtracted from vectors in place.

Byte i of a keystream falls on byte i of a vector's image (tail, then body) and is added in that lane's ring. The
keystream is made 256 KiB at a time into one reused buffer that stays in the second-level cache, which is four times
as fast as allocating it whole; Philox was rejected because it is not cryptographic, ChaCha20 because AES is faster
wherever AES instructions exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from autoglm_core.privacy.vectors import ClearVector, MaskedVector, WrongVector

CHUNK = 1 << 18
_CIPHER_BLOCK = 16
_ZEROS = memoryview(bytes(CHUNK))

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Lanes = np.ndarray[Any, np.dtype[Any]]

Parallel = Callable[[Callable[[Any], None], Sequence[Any]], Iterable[None]]
"""Like the builtin `map`; an executor's `map` runs the parts on its threads."""


@dataclass(frozen=True, repr=False)
class MaskStream:
    """One keystream: `key` 32 bytes, used for nothing else; `subtract` says with which sign it is applied."""

    key: bytes
    subtract: bool

    def inverse(self) -> MaskStream:
        """The stream that takes this one away."""
        return MaskStream(self.key, not self.subtract)


def mask(vector: ClearVector, streams: Sequence[MaskStream]) -> MaskedVector:
    """A masked copy of `vector`; the clear one stays as it is.

    Raises:
        ValueError: there is no stream; a vector that is meant to travel clear goes through `unprotected`.
    """
    if not streams:
        raise ValueError("a vector cannot be masked with nothing")
    copy = vector.copy()
    masked = MaskedVector(body=copy.body, tail=copy.tail)
    _apply(masked, streams, start=0, stop=masked.layout.byte_size)
    return masked


def unprotected(vector: ClearVector) -> MaskedVector:
    """`vector` as it is, under the type of what may leave: only for sessions whose spec says `masked=False`."""
    return MaskedVector(body=vector.body, tail=vector.tail)


def unmask(
    running: MaskedVector, streams: Sequence[MaskStream], *, parallel: Parallel = map, parts: int = 1
) -> ClearVector:
    """Apply `streams` to `running` in place and return it as the clear sum.

    `parts` splits the vector, not the streams, so any number of threads needs no further memory and gives the same
    bits.
    """
    size = running.layout.byte_size
    step = -(-size // max(1, parts) // CHUNK) * CHUNK
    ranges = [(start, min(start + step, size)) for start in range(0, size, step)] if size else []
    for _ in parallel(lambda part: _apply(running, streams, start=part[0], stop=part[1]), ranges):
        pass
    return ClearVector(body=running.body, tail=running.tail)


def _apply(vector: MaskedVector, streams: Sequence[MaskStream], *, start: int, stop: int) -> None:
    """Apply bytes [start, stop) of each stream; `start` is a multiple of the cipher's block.

    Every stream goes over one chunk before any goes over the next: a vector that is larger than the cache is read
    once, not once for each stream.
    """
    for array in (vector.body, vector.tail):
        if not array.flags.writeable or not array.flags.c_contiguous:
            raise WrongVector(expected=1, received=0, part="writable memory")
    keystream = np.empty(CHUNK + _CIPHER_BLOCK, np.uint8)  # update_into asks for a block of room
    generators = [(_generator(stream, start), np.subtract if stream.subtract else np.add) for stream in streams]
    for at in range(start, stop, CHUNK):
        end = min(at + CHUNK, stop)
        zeros, room = _ZEROS[: end - at], keystream.data
        lanes = _lanes(vector, keystream, start=at, stop=end)
        for generate, combine in generators:
            generate(zeros, room)
            for part, masks in lanes:
                combine(part, masks, out=part)


def _generator(stream: MaskStream, start: int) -> Callable[[memoryview, memoryview], int]:
    counter = (start // _CIPHER_BLOCK).to_bytes(_CIPHER_BLOCK, "big")  # the zero IV, moved to where this part begins
    return Cipher(AES256(stream.key), CTR(counter)).encryptor().update_into


def _lanes(vector: MaskedVector, keystream: Bytes, *, start: int, stop: int) -> list[tuple[Lanes, Lanes]]:
    """Bytes [start, stop) of the image as lanes of the tail and of the body, each beside its keystream."""
    offset, width, lanes = vector.layout.body_offset, vector.body.itemsize, list[tuple[Lanes, Lanes]]()
    in_tail = max(0, min(stop, offset) - start)
    if in_tail:
        lanes.append((vector.tail[start // 8 : (start + in_tail) // 8], keystream[:in_tail].view(np.dtype("<u8"))))
    if stop > offset:
        body = vector.body[(start + in_tail - offset) // width : (stop - offset) // width]
        lanes.append((body, keystream[in_tail : stop - start].view(vector.body.dtype)))
    return lanes
