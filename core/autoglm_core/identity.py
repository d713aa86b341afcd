"""Who a peer is, and what a newcomer is handed: SPIFFE ids and join tokens.

An identity stands in a certificate's URI name, so that role and id come from what the TLS handshake proved and never
from a message. A token carries all that a newcomer must know beforehand: where to join, which authority to trust (its
hash, so that the first connection needs no trust), and a secret that is good for one use.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from enum import StrEnum

from autoglm_core.errors import InvalidInput

JOIN_MESSAGE = "join"
"""What a site key signs when it joins: the certificate signing request, DER."""
REENROLL_MESSAGE = "reenroll"
"""What a site key signs when it comes back after its certificate ran out: the nonce, then the request."""
SECRET_BYTES = 16

_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_HASH = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


class Role(StrEnum):
    """What the holder of a certificate may be."""

    AGENT = "agent"
    OPERATOR = "operator"
    COORDINATOR = "coordinator"


class BadIdentity(InvalidInput):
    """A name, or a SPIFFE id in a certificate, is not of the agreed form."""

    code = "bad-identity"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"identity refused: {reason}", reason=reason)


class BadToken(InvalidInput):
    """What was pasted is no join token."""

    code = "bad-token"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"this is not a complete join token ({reason}): copy the whole line again", reason=reason)


def check_name(name: str) -> str:
    """`name` itself, when it may stand in an identity: 1 to 64 of a-z 0-9 . _ - with a letter or digit at both ends.

    Raises:
        BadIdentity: it may not.
    """
    if not _ID.fullmatch(name):
        raise BadIdentity(reason="a name is 1 to 64 of a-z 0-9 . _ - and starts and ends with a letter or digit")
    return name


@dataclass(frozen=True)
class Identity:
    """`spiffe://<deployment>/<role>/<id>`."""

    deployment: str
    role: Role
    id: str

    def __post_init__(self) -> None:
        check_name(self.deployment)
        check_name(self.id)

    def __str__(self) -> str:
        return f"spiffe://{self.deployment}/{self.role}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Inverse of `str`.

        Raises:
            BadIdentity: not of this form, or of an unknown role.
        """
        scheme, _, rest = text.partition("://")
        parts = rest.split("/")
        if scheme != "spiffe" or len(parts) != 3 or parts[1] not in set(Role):
            raise BadIdentity(reason="expected spiffe://<deployment>/<role>/<id>")
        return cls(deployment=parts[0], role=Role(parts[1]), id=parts[2])


@dataclass(frozen=True)
class JoinToken:
    """`AGM1.<host:port>.<SHA-256 of the CA certificate, DER>.<secret in base32>`.

    `address`: the join port; an IPv6 host stands in brackets. `secret`: 128 random bits, never printed by `repr`.
    """

    address: str
    authority: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        port = _ADDRESS.fullmatch(self.address)
        if port is None or not 0 < int(port[1]) < 65536:
            raise BadToken(reason="address")
        if not _HASH.fullmatch(self.authority):
            raise BadToken(reason="authority hash")
        if len(self.secret) != SECRET_BYTES:
            raise BadToken(reason="secret")

    def encode(self) -> str:
        """As printed once, for the person who joins."""
        secret = base64.b32encode(self.secret).decode().rstrip("=").lower()
        return f"AGM1.{self.address}.{self.authority}.{secret}"

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Inverse of `encode`; blanks around it are forgiven.

        Raises:
            BadToken: a part is missing or damaged.
        """
        head, _, secret = text.strip().rpartition(".")
        head, _, authority = head.rpartition(".")
        prefix, _, address = head.partition(".")
        if prefix != "AGM1":
            raise BadToken(reason="it starts with AGM1.")
        try:
            raw = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
        except (binascii.Error, ValueError) as error:
            raise BadToken(reason="secret") from error
        token = cls(address=address, authority=authority, secret=raw)
        if token.encode().rpartition(".")[2] != secret.lower():
            raise BadToken(reason="secret")
        return token
