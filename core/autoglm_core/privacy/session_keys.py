"""A site's two key pairs of one session, and what is derived from them.

The share-encryption key seals shares between two sites and is never shared out; the mask key gives the pairwise masks
and is rebuilt from shares if its owner drops. One pair for both was rejected: opening a dropped site's masks would
open its mail as well.
"""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from autoglm_core.encoding import Writer
from autoglm_core.privacy.bodies import SALT_BYTES, OpenShare, ShareKind
from autoglm_core.privacy.derivation import derive
from autoglm_core.privacy.errors import BadKey, BadShare
from autoglm_core.privacy.keys import KEY_BYTES
from autoglm_core.privacy.masks import MaskStream
from autoglm_core.privacy.session_spec import HASH_BYTES
from autoglm_core.privacy.shamir import SHARE_BYTES

_FIELD = 2**255 - 19
_NONCE = bytes(12)
_PROBE = X25519PrivateKey.from_private_bytes(bytes([1]) * KEY_BYTES)
"""Any private key finds out whether a public one has small order."""
SEALED_BYTES = 2 * (SHARE_BYTES + SALT_BYTES) + 16


def public_key(private: bytes) -> bytes:
    """The X25519 public key, 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def require_sound(public: bytes, *, site: str) -> None:
    """Raise `BadKey` for a key that is zero, of small order, or in a second encoding that could pass as another key."""
    if not 1 < int.from_bytes(public, "little") < _FIELD - 1:
        raise BadKey(site=site, reason="zero or not canonical")
    _exchange(_PROBE, public, site=site)


def agree(private: bytes, public: bytes, *, site: str) -> bytes:
    """The X25519 secret with `site`; raises `BadKey` for a key of small order, whose secret everybody knows."""
    return _exchange(X25519PrivateKey.from_private_bytes(private), public, site=site)


def _exchange(private: X25519PrivateKey, public: bytes, *, site: str) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise BadKey(site=site, reason="of small order") from None


def pair_stream(private: bytes, public: bytes, *, spec: bytes, own: str, peer: str) -> MaskStream:
    """The mask between `own` and `peer` as `own` applies it: the first in order adds, the other subtracts."""
    first, second = sorted((own, peer))
    context = Writer().fixed(spec, HASH_BYTES).text(first).text(second).finish()
    key = derive(agree(private, public, site=peer), label="pair-mask", context=context)
    return MaskStream(key, subtract=own > peer)


def self_stream(seed: bytes, *, spec: bytes, site: str) -> MaskStream:
    """The mask that a site adds alone: it stays on if the coordinator wrongly calls the site dropped."""
    context = Writer().fixed(spec, HASH_BYTES).text(site).finish()
    return MaskStream(derive(seed, label="self-mask", context=context), subtract=False)


def seed_hash(seed: bytes, *, spec: bytes, site: str) -> bytes:
    """Commitment to the self mask's seed; unsalted, because the seed has 256 bits."""
    context = Writer().text("autoglm/v1/seed-hash").fixed(spec, HASH_BYTES).text(site)
    return sha256(context.fixed(seed, KEY_BYTES).finish()).digest()


def commitment(share: OpenShare, *, spec: bytes, dealer: str, receiver: str, kind: ShareKind) -> bytes:
    """Salted hash of a share, bound to who gives what to whom."""
    writer = Writer().text("autoglm/v1/share").fixed(spec, HASH_BYTES).text(dealer).text(receiver).u8(kind)
    share.write(writer)
    return sha256(writer.finish()).digest()


class ShareChannel:
    """The sealed way between this site and one peer.

    Every direction has its own key, used for exactly one ciphertext, so the zero nonce never repeats. `view` (the
    hash of the list of adverts) is part of the associated data: sites that were shown different lists cannot open
    each other's shares.
    """

    def __init__(self, private: bytes, peer_public: bytes, *, spec: bytes, own: str, peer: str, view: bytes) -> None:
        self._secret = agree(private, peer_public, site=peer)
        self._spec, self._own, self._peer, self._view = spec, own, peer, view

    def seal(self, seed_share: OpenShare, key_share: OpenShare) -> bytes:
        """Both shares for the peer, `SEALED_BYTES` long."""
        writer = Writer()
        seed_share.write(writer)
        key_share.write(writer)
        associated = self._associated(self._own, self._peer)
        return self._cipher(associated).encrypt(_NONCE, writer.finish(), associated)

    def open(self, ciphertext: bytes) -> bytes:
        """The encoded pair of shares that the peer sealed; raises `BadShare`."""
        associated = self._associated(self._peer, self._own)
        try:
            return self._cipher(associated).decrypt(_NONCE, ciphertext, associated)
        except InvalidTag:
            raise BadShare(site=self._peer) from None

    def _associated(self, sender: str, receiver: str) -> bytes:
        return Writer().fixed(self._spec, HASH_BYTES).fixed(self._view, HASH_BYTES).text(sender).text(receiver).finish()

    def _cipher(self, associated: bytes) -> AESGCM:
        return AESGCM(derive(self._secret, label="share-key", context=associated))
