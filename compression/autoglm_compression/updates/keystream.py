"""Words of a keystream: one public or secret draw for each parameter."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

_BLOCK = 1 << 16
_SPARE = 4
"""Words behind the last one: `update_into` asks for 15 bytes of room."""


def keystream_words(key: bytes, count: int) -> NDArray[np.uint32]:
    """The first `count` little-endian 32-bit words of AES-256-CTR under `key` `[32]` from a zero IV: `(count,)`."""
    stream = Cipher(AES256(key), CTR(bytes(16))).encryptor()
    zeros = memoryview(bytes(4 * _BLOCK))
    words = np.empty(count + _SPARE, "<u4")
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        stream.update_into(zeros[: 4 * size], words[start : start + size + _SPARE].view(np.uint8).data)
    return words[:count]
