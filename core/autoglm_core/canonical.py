"""One canonical byte form for values that are hashed or signed.

JSON with sorted keys, no spaces, UTF-8, and neither NaN nor infinities: equal values give equal bytes on every platform
that follows IEEE 754, because Python prints the shortest decimal that reads back to the same double. Protobuf was
rejected: its encoding is not canonical.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from autoglm_core.encoding import Malformed

Json = dict[str, Any]


def canonical_json(value: object) -> bytes:
    """Encode `value` (dict, list, str, int, float, bool, None) canonically.

    Raises:
        ValueError: `value` holds NaN or an infinity.
        TypeError: `value` holds another type.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def read_canonical(data: bytes, *, what: str) -> Any:
    """Inverse of `canonical_json`, for bytes from the other side: they are the canonical form of the value or refused.

    So the hash of the bytes is the hash of the value, and what one parser reads no other reads otherwise: neither a
    key that stands twice, nor another encoding than UTF-8, nor NaN. Costs at most 64 times the memory of `data`.

    Raises:
        Malformed: not that; `what` names the part.
    """
    try:
        value = json.loads(data)
        same = canonical_json(value) == data
    except (ValueError, RecursionError):
        raise Malformed(what=f"{what}: JSON") from None
    if not same:
        raise Malformed(what=f"{what}: not canonical JSON")
    return value


def digest(data: bytes | memoryview) -> str:
    """SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def json_digest(value: object) -> str:
    """SHA-256 of the canonical form of `value`."""
    return digest(canonical_json(value))
