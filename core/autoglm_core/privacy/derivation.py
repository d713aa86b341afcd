"""One way to derive a key: HKDF-SHA256 with a label and a context; no derived key is ever used for two things."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from autoglm_core.encoding import Writer

DERIVED_BYTES = 32


def derive(secret: bytes, *, label: str, context: bytes) -> bytes:
    """32 bytes; info is `autoglm/v1/<label>` and `context`, each with its length."""
    info = Writer().text(f"autoglm/v1/{label}").blob(context).finish()
    return HKDF(SHA256(), DERIVED_BYTES, salt=None, info=info).derive(secret)
