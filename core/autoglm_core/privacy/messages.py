"""What travels in a session: a kind, a body and, where a site speaks, its signature over the body.

The bodies are in `bodies.py`. The coordinator's own messages carry no signature of its own: it is not trusted, so
everything in them that matters is signed by sites or sealed between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.privacy.errors import BadSignature
from autoglm_core.privacy.keys import SiteKey, SitePublicKey


class MessageKind(IntEnum):
    """The kinds, as they stand on the wire."""

    ADVERT = 1
    """Site to coordinator: two session keys and commitments to shares."""
    ADVERTS = 2
    """Coordinator to sites: every signed advert."""
    SHARES = 3
    """Site to coordinator: a sealed pair of shares for each peer."""
    SHARES_FOR = 4
    """Coordinator to one site: what its peers sealed for it."""
    MASKED = 5
    """Site to coordinator: the header of its masked vector, which travels beside it."""
    SURVIVORS = 6
    """Coordinator to survivors: whose vectors count."""
    SURVIVOR_SIGNATURE = 7
    """Site to coordinator: its signature over that list."""
    SIGNATURES = 8
    """Coordinator to survivors: the signatures over that list."""
    UNMASK = 9
    """Site to coordinator: one kind of share per peer."""
    ACKNOWLEDGED = 10
    """Coordinator to one site: nothing more is needed of it."""

    @property
    def label(self) -> str:
        """As in signatures and errors: `survivor-signature`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Message:
    """`signature`: 64 bytes by the site key of the sending site, empty on what the coordinator sends."""

    kind: MessageKind
    body: bytes
    signature: bytes = b""

    def encode(self) -> bytes:
        """For storing; on the wire the three fields travel apart."""
        return Writer().u8(self.kind).blob(self.body).blob(self.signature).finish()

    @classmethod
    def decode(cls, data: bytes) -> Message:
        """Inverse of `encode`; raises `Malformed`."""
        reader = Reader(data, what="message")
        message = cls.of(reader.u8(), reader.blob(), reader.blob())
        reader.end()
        return message

    @classmethod
    def of(cls, kind: int, body: bytes, signature: bytes) -> Message:
        """From the wire's three fields; raises `Malformed` for a kind that this version does not know."""
        try:
            return cls(MessageKind(kind), bytes(body), bytes(signature))
        except ValueError:
            raise Malformed(what="message kind") from None

    def verify(self, key: SitePublicKey, *, site: str) -> None:
        """Raise `BadSignature` unless `site`'s key signed this body as this kind."""
        try:
            key.verify(self.kind.label, self.body, self.signature)
        except BadSignature:
            raise BadSignature(name=self.kind.label, site=site) from None


class MessageBody(Protocol):
    """A body knows its kind and its bytes."""

    @property
    def kind(self) -> MessageKind:
        """Kind of the message that carries it."""
        ...

    def encode(self) -> bytes:
        """Canonical bytes."""
        ...


def signed(body: MessageBody, *, key: SiteKey) -> Message:
    """A site's message."""
    encoded = body.encode()
    return Message(body.kind, encoded, key.sign(body.kind.label, encoded))


def unsigned(body: MessageBody) -> Message:
    """A coordinator's message."""
    return Message(body.kind, body.encode())
