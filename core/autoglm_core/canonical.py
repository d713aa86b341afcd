"""One canonical byte form for values that are hashed or signed.

JSON with sorted keys, no spaces, UTF-8, and neither NaN nor infinities: equal values give equal bytes on every platform
that follows IEEE 754, because Python prints the shortest decimal that reads back to the same double. Protobuf was
rejected: its encoding is not canonical.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

Json = dict[str, Any]


def canonical_json(value: object) -> bytes:
    """Encode `value` (dict, list, str, int, float, bool, None) canonically.

    Raises:
        ValueError: `value` holds NaN or an infinity.
        TypeError: `value` holds another type.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(data: bytes | memoryview) -> str:
    """SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def json_digest(value: object) -> str:
    """SHA-256 of the canonical form of `value`."""
    return digest(canonical_json(value))
