"""Site keys: Ed25519, made when a site joins, long-lived, pinned by every other site's roster.

Whatever a site says in a secure sum is signed by this key and never by its TLS key: the coordinator issues TLS
certificates and could mint any identity. The signed bytes are `autoglm/v1/<message>`, a zero byte, then the message's
body exactly as carried, so a signature over one kind of message is worth nothing for another.
"""

from __future__ import annotations

from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from autoglm_core.canonical import digest
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.errors import BadSignature

KEY_BYTES = 32
SIGNATURE_BYTES = 64
PREFIX = b"autoglm/v1/"


def signed_bytes(message_name: str, body: bytes) -> bytes:
    """What a signature over `body` covers."""
    return PREFIX + message_name.encode() + b"\x00" + body


class SitePublicKey:
    """The half that stands in the roster.

    Raises:
        Malformed: `raw` is not 32 bytes long.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise Malformed(what="site key")
        self.raw = bytes(raw)
        self._key = Ed25519PublicKey.from_public_bytes(self.raw)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key, hexadecimal: what administrators compare."""
        return digest(self.raw)

    def verify(self, message_name: str, body: bytes, signature: bytes) -> None:
        """Raise `BadSignature` unless `signature` is this key's over `body` as `message_name`."""
        try:
            self._key.verify(signature, signed_bytes(message_name, body))
        except InvalidSignature:
            raise BadSignature(name=message_name) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SitePublicKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class SiteKey:
    """The private half; its bytes leave the object only towards the site's own key file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = SitePublicKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's entropy."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The key whose `to_bytes` was `raw`.

        Raises:
            Malformed: `raw` is not 32 bytes long.
        """
        if len(raw) != KEY_BYTES:
            raise Malformed(what="private site key")
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def to_bytes(self) -> bytes:
        """The 32 private bytes, for the site's own key file."""
        return self._key.private_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public half, hexadecimal."""
        return self.public.fingerprint

    def sign(self, message_name: str, body: bytes) -> bytes:
        """64 bytes over `body` as `message_name`; the same arguments give the same bytes."""
        return self._key.sign(signed_bytes(message_name, body))

    def __repr__(self) -> str:
        return f"SiteKey({self.fingerprint[:16]})"
