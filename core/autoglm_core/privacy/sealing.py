"""Sealed metrics: what a device measured, readable by the holder of the study key alone and signed by the site key.

HPKE (RFC 9180) in one-shot base mode with X-Wing (ML-KEM-768 and X25519), HKDF-SHA256 and AES-256-GCM, so that
neither a broken curve nor a broken lattice alone opens what a relay or a stored copy holds. It does not protect
against the coordinator, which holds the key: what the coordinator must not see goes through the secure sum. HPKE's
own authenticated mode was rejected: it proves the sender to the recipient only, and a signature stays checkable
later.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.errors import Denied
from autoglm_core.privacy.keys import SIGNATURE_BYTES, SiteKey, SitePublicKey

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_LATTICE_SEED_BYTES = 64
_LATTICE_PUBLIC_BYTES = 1184
_CURVE_BYTES = 32
_NAME = "sealed-metrics"


class NotSealedForUs(Denied):
    """A sealed message does not open: another key, another context, or changed on the way."""

    code = "not-sealed-for-us"

    def __init__(self) -> None:
        super().__init__("a sealed message does not open under this study key and context; measure again")


@dataclass(frozen=True, repr=False)
class StudyKey:
    """`private` 96 bytes (ML-KEM seed, X25519 scalar), `public` 1216 bytes (ML-KEM key, X25519 point)."""

    private: bytes
    public: bytes

    @classmethod
    def generate(cls) -> StudyKey:
        """A new key from the operating system's entropy."""
        return cls.from_bytes(
            MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw()
        )

    @classmethod
    def from_bytes(cls, private: bytes) -> StudyKey:
        """The key whose `private` was stored; raises `Malformed`."""
        lattice, curve = _private_halves(private)
        return cls(bytes(private), lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw())


def probe_context(*, agent_id: str, study_id: str, sequence: int, manifest: bytes) -> bytes:
    """What one device's figures are about: who measured, in which task of which study, which models.

    `sequence` never repeats in a deployment, so a message that is replayed opens nowhere. `manifest`: as carried.
    """
    return Writer().text(agent_id).text(study_id).u64(sequence).fixed(sha256(manifest).digest(), 32).finish()


def seal(recipient: bytes, clear: bytes, *, context: bytes, signer: SiteKey) -> bytes:
    """Sign `clear`, then seal both for the study key `recipient` (1216 bytes).

    `context` says what this is about; whoever opens must name the same.

    Raises:
        Malformed: `recipient` is not a study key.
    """
    if len(recipient) != _LATTICE_PUBLIC_BYTES + _CURVE_BYTES:
        raise Malformed(what="study key")
    signature = signer.sign(_NAME, _signed(recipient, context, clear))
    plain = Writer().fixed(signature, SIGNATURE_BYTES).blob(clear).finish()
    try:
        public = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(recipient[:_LATTICE_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(recipient[_LATTICE_PUBLIC_BYTES:]),
        )
        return _SUITE.encrypt(plain, public, _info(context))
    except ValueError:  # coefficients out of range, or a point of small order
        raise Malformed(what="study key") from None


def open_sealed(private: bytes, sealed: bytes, *, context: bytes, signer: bytes) -> bytes:
    """What `seal` was given, if the site key `signer` (32 bytes) signed it for this study key and `context`.

    Raises:
        NotSealedForUs: it does not open.
        BadSignature: it opens, but another key signed it.
        Malformed: `private`, `signer` or the content are not of their form.
    """
    lattice, curve = _private_halves(private)
    try:
        plain = _SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(lattice, curve), _info(context))
    except (InvalidTag, ValueError):
        raise NotSealedForUs from None
    reader = Reader(plain, what="sealed metrics")
    signature, clear = reader.fixed(SIGNATURE_BYTES), reader.blob()
    reader.end()
    recipient = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    SitePublicKey(signer).verify(_NAME, _signed(recipient, context, clear), signature)
    return clear


def _private_halves(private: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    if len(private) != _LATTICE_SEED_BYTES + _CURVE_BYTES:
        raise Malformed(what="private study key")
    lattice = MLKEM768PrivateKey.from_seed_bytes(private[:_LATTICE_SEED_BYTES])
    return lattice, X25519PrivateKey.from_private_bytes(private[_LATTICE_SEED_BYTES:])


def _signed(recipient: bytes, context: bytes, clear: bytes) -> bytes:
    """The recipient is signed too: nobody can open a message and pass it on as meant for another."""
    return Writer().fixed(sha256(recipient).digest(), 32).blob(context).blob(clear).finish()


def _info(context: bytes) -> bytes:
    return Writer().text(f"autoglm/v1/{_NAME}").blob(context).finish()
