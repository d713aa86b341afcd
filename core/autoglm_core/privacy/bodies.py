"""The bodies of the messages, byte by byte; docs/secure-sum.md has the same as a table.

Every body begins with the SHA-256 of the session spec, so a signature over it is bound to the whole round. Lists of
sites are sorted and name each site once; `decode` refuses anything else, and reads its bytes as hostile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from itertools import pairwise
from typing import ClassVar

from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.privacy.errors import NotSorted
from autoglm_core.privacy.keys import KEY_BYTES, SIGNATURE_BYTES
from autoglm_core.privacy.messages import MessageKind
from autoglm_core.privacy.session_spec import HASH_BYTES
from autoglm_core.privacy.shamir import PRIME, SHARE_BYTES

SALT_BYTES = 32
_TEXT = 4


class ShareKind(IntEnum):
    """What a share is of; a site releases one kind per peer."""

    SEED = 1
    """The seed of the self mask: released for survivors."""
    MASK_KEY = 2
    """The private key of the pairwise masks: released for the dropped."""


@dataclass(frozen=True, repr=False)
class OpenShare:
    """A share and the salt that opens its commitment."""

    y: int
    salt: bytes

    def write(self, writer: Writer) -> None:
        """65 bytes."""
        writer.fixed(self.y.to_bytes(SHARE_BYTES, "big"), SHARE_BYTES).fixed(self.salt, SALT_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> OpenShare:
        """Inverse of `write`; raises `Malformed` for a value outside the field."""
        y = int.from_bytes(reader.fixed(SHARE_BYTES), "big")
        if y >= PRIME:
            raise Malformed(what="share")
        return cls(y, reader.fixed(SALT_BYTES))


@dataclass(frozen=True)
class Advert:
    """A site's two session keys, a hash of its seed, and a commitment per recipient and kind, in the cohort's order."""

    kind: ClassVar[MessageKind] = MessageKind.ADVERT
    spec: bytes
    site_id: str
    share_key: bytes
    mask_key: bytes
    seed_hash: bytes
    commitments: tuple[tuple[bytes, bytes], ...]
    """(of the seed's share, of the mask key's share) for each site of the cohort, this one included."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.spec, HASH_BYTES).text(self.site_id)
        writer.fixed(self.share_key, KEY_BYTES).fixed(self.mask_key, KEY_BYTES).fixed(self.seed_hash, HASH_BYTES)
        writer.u32(len(self.commitments))
        for of_seed, of_key in self.commitments:
            writer.fixed(of_seed, HASH_BYTES).fixed(of_key, HASH_BYTES)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Advert:
        """Inverse of `encode`; raises `Malformed`."""
        reader = Reader(data, what="advert")
        spec, site_id = reader.fixed(HASH_BYTES), reader.text()
        share_key, mask_key, seed_hash = reader.fixed(KEY_BYTES), reader.fixed(KEY_BYTES), reader.fixed(HASH_BYTES)
        commitments = tuple(
            (reader.fixed(HASH_BYTES), reader.fixed(HASH_BYTES)) for _ in range(reader.count(2 * HASH_BYTES))
        )
        reader.end()
        return cls(spec, site_id, share_key, mask_key, seed_hash, commitments)


@dataclass(frozen=True)
class Adverts:
    """Every advert as carried, with its signature."""

    kind: ClassVar[MessageKind] = MessageKind.ADVERTS
    spec: bytes
    signed: tuple[tuple[bytes, bytes], ...]
    """(body of an ADVERT, signature)."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.spec, HASH_BYTES).u32(len(self.signed))
        for body, signature in self.signed:
            writer.blob(body).fixed(signature, SIGNATURE_BYTES)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Adverts:
        """Inverse of `encode`; raises `Malformed`."""
        reader = Reader(data, what="adverts")
        spec = reader.fixed(HASH_BYTES)
        count = reader.count(_TEXT + SIGNATURE_BYTES)
        signed = tuple((reader.blob(), reader.fixed(SIGNATURE_BYTES)) for _ in range(count))
        reader.end()
        return cls(spec, signed)


@dataclass(frozen=True)
class Shares:
    """One ciphertext for each peer."""

    kind: ClassVar[MessageKind] = MessageKind.SHARES
    spec: bytes
    site_id: str
    sealed: tuple[tuple[str, bytes], ...]
    """(recipient, ciphertext)."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.spec, HASH_BYTES).text(self.site_id)
        return _write_sealed(writer, self.sealed).finish()

    @classmethod
    def decode(cls, data: bytes) -> Shares:
        """Inverse of `encode`; raises `Malformed`, `NotSorted`."""
        reader = Reader(data, what="shares")
        spec, site_id = reader.fixed(HASH_BYTES), reader.text()
        sealed = _read_sealed(reader, what="shares")
        reader.end()
        return cls(spec, site_id, sealed)


@dataclass(frozen=True)
class SharesFor:
    """What its peers sealed for one site."""

    kind: ClassVar[MessageKind] = MessageKind.SHARES_FOR
    spec: bytes
    site_id: str
    sealed: tuple[tuple[str, bytes], ...]
    """(sender, ciphertext)."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.spec, HASH_BYTES).text(self.site_id)
        return _write_sealed(writer, self.sealed).finish()

    @classmethod
    def decode(cls, data: bytes) -> SharesFor:
        """Inverse of `encode`; raises `Malformed`, `NotSorted`."""
        reader = Reader(data, what="shares for a site")
        spec, site_id = reader.fixed(HASH_BYTES), reader.text()
        sealed = _read_sealed(reader, what="shares-for")
        reader.end()
        return cls(spec, site_id, sealed)


@dataclass(frozen=True)
class Masked:
    """The header of a masked vector: the hash of its image."""

    kind: ClassVar[MessageKind] = MessageKind.MASKED
    spec: bytes
    site_id: str
    vector: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return Writer().fixed(self.spec, HASH_BYTES).text(self.site_id).fixed(self.vector, HASH_BYTES).finish()

    @classmethod
    def decode(cls, data: bytes) -> Masked:
        """Inverse of `encode`; raises `Malformed`."""
        reader = Reader(data, what="masked header")
        header = cls(reader.fixed(HASH_BYTES), reader.text(), reader.fixed(HASH_BYTES))
        reader.end()
        return header


@dataclass(frozen=True)
class Survivors:
    """The sites whose vectors are in the running sum."""

    kind: ClassVar[MessageKind] = MessageKind.SURVIVORS
    spec: bytes
    sites: tuple[str, ...]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return Writer().fixed(self.spec, HASH_BYTES).texts(self.sites).finish()

    @classmethod
    def decode(cls, data: bytes) -> Survivors:
        """Inverse of `encode`; raises `Malformed`, `NotSorted`."""
        reader = Reader(data, what="survivors")
        survivors = cls(reader.fixed(HASH_BYTES), reader.texts())
        reader.end()
        require_sorted(survivors.sites, what="survivors")
        return survivors

    @property
    def list_hash(self) -> bytes:
        """SHA-256 of the canonical bytes: what the signatures name."""
        return sha256(self.encode()).digest()


@dataclass(frozen=True)
class SurvivorSignature:
    """The statement that a site signs: it saw exactly this survivor list."""

    kind: ClassVar[MessageKind] = MessageKind.SURVIVOR_SIGNATURE
    spec: bytes
    site_id: str
    survivors: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return Writer().fixed(self.spec, HASH_BYTES).text(self.site_id).fixed(self.survivors, HASH_BYTES).finish()

    @classmethod
    def decode(cls, data: bytes) -> SurvivorSignature:
        """Inverse of `encode`; raises `Malformed`."""
        reader = Reader(data, what="survivor signature")
        statement = cls(reader.fixed(HASH_BYTES), reader.text(), reader.fixed(HASH_BYTES))
        reader.end()
        return statement


@dataclass(frozen=True)
class Signatures:
    """The signatures over one survivor list."""

    kind: ClassVar[MessageKind] = MessageKind.SIGNATURES
    spec: bytes
    survivors: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.spec, HASH_BYTES).fixed(self.survivors, HASH_BYTES).u32(len(self.signatures))
        for site_id, signature in self.signatures:
            writer.text(site_id).fixed(signature, SIGNATURE_BYTES)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Signatures:
        """Inverse of `encode`; raises `Malformed`, `NotSorted`."""
        reader = Reader(data, what="signatures")
        spec, survivors = reader.fixed(HASH_BYTES), reader.fixed(HASH_BYTES)
        count = reader.count(_TEXT + SIGNATURE_BYTES)
        signatures = tuple((reader.text(), reader.fixed(SIGNATURE_BYTES)) for _ in range(count))
        reader.end()
        require_sorted((site_id for site_id, _ in signatures), what="signatures")
        return cls(spec, survivors, signatures)


@dataclass(frozen=True, repr=False)
class Unmask:
    """One kind of share per peer, with the sender's own signature over the survivors.

    That signature stands here so that a coordinator that restarts after this message was stored still has it for the
    others.
    """

    kind: ClassVar[MessageKind] = MessageKind.UNMASK
    spec: bytes
    site_id: str
    survivors: bytes
    signature: bytes
    shares: tuple[tuple[str, ShareKind, OpenShare], ...]
    """(dealer, kind, share)."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.spec, HASH_BYTES).text(self.site_id).fixed(self.survivors, HASH_BYTES)
        writer.fixed(self.signature, SIGNATURE_BYTES).u32(len(self.shares))
        for dealer, kind, share in self.shares:
            share.write(writer.text(dealer).u8(kind))
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Unmask:
        """Inverse of `encode`; raises `Malformed`, `NotSorted`."""
        reader = Reader(data, what="unmask")
        spec, site_id, survivors = reader.fixed(HASH_BYTES), reader.text(), reader.fixed(HASH_BYTES)
        signature = reader.fixed(SIGNATURE_BYTES)
        count = reader.count(_TEXT + 1 + SHARE_BYTES + SALT_BYTES)
        shares = tuple((reader.text(), _share_kind(reader.u8()), OpenShare.read(reader)) for _ in range(count))
        reader.end()
        require_sorted((dealer for dealer, _, _ in shares), what="unmask")
        return cls(spec, site_id, survivors, signature, shares)


@dataclass(frozen=True)
class Acknowledged:
    """Nothing more is needed of this site."""

    kind: ClassVar[MessageKind] = MessageKind.ACKNOWLEDGED
    spec: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return Writer().fixed(self.spec, HASH_BYTES).finish()

    @classmethod
    def decode(cls, data: bytes) -> Acknowledged:
        """Inverse of `encode`; raises `Malformed`."""
        reader = Reader(data, what="acknowledgement")
        body = cls(reader.fixed(HASH_BYTES))
        reader.end()
        return body


def require_sorted(sites: Iterable[str], *, what: str) -> None:
    """Raise `NotSorted` unless each site stands once, in order."""
    listed = tuple(sites)
    if any(a >= b for a, b in pairwise(listed)):
        raise NotSorted(kind=what)


def _write_sealed(writer: Writer, sealed: tuple[tuple[str, bytes], ...]) -> Writer:
    writer.u32(len(sealed))
    for site_id, ciphertext in sealed:
        writer.text(site_id).blob(ciphertext)
    return writer


def _read_sealed(reader: Reader, *, what: str) -> tuple[tuple[str, bytes], ...]:
    sealed = tuple((reader.text(), reader.blob()) for _ in range(reader.count(2 * _TEXT)))
    require_sorted((site_id for site_id, _ in sealed), what=what)
    return sealed


def _share_kind(value: int) -> ShareKind:
    try:
        return ShareKind(value)
    except ValueError:
        raise Malformed(what="share kind") from None
