"""Tokens at rest: a hash of the secret alone. The secret has 128 random bits, so a plain hash cannot be searched."""

from __future__ import annotations

import secrets

from autoglm_core.canonical import digest
from autoglm_core.identity import SECRET_BYTES, JoinToken


def new_token(join_address: str, authority_hash: str) -> JoinToken:
    """A token with a fresh secret. `join_address`: `host:port`; `authority_hash`: SHA-256 of the CA, DER."""
    return JoinToken(join_address, authority_hash, secrets.token_bytes(SECRET_BYTES))


def secret_hash(secret: bytes) -> str:
    """What the store keeps of a secret."""
    return digest(secret)
