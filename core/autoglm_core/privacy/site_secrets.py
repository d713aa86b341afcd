"""What a site draws for one session and never uses again: a seed, two private keys, shares of seed and mask key.

Everything is drawn at once, before the advert, so that the advert can commit to every share. All of it comes from the
operating system's entropy, lives in memory only, and is dropped when the session ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autoglm_core.privacy.bodies import SALT_BYTES, Advert, OpenShare, ShareKind
from autoglm_core.privacy.keys import KEY_BYTES
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_keys import commitment, public_key, seed_hash
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.shamir import Entropy, split


@dataclass(frozen=True, repr=False)
class SiteSecrets:
    """`seed` of the self mask, the private session keys, and what each site of the cohort gets of seed and mask key."""

    seed: bytes
    share_private: bytes
    mask_private: bytes
    seed_shares: Mapping[str, OpenShare]
    key_shares: Mapping[str, OpenShare]

    @classmethod
    def draw(cls, spec: SessionSpec, roster: Roster, *, entropy: Entropy) -> SiteSecrets:
        """New secrets from `entropy(n)`, which returns n unpredictable bytes."""
        seed, share_private, mask_private = (entropy(KEY_BYTES) for _ in range(3))
        return cls(
            seed=seed,
            share_private=share_private,
            mask_private=mask_private,
            seed_shares=_deal(seed, spec, roster, entropy),
            key_shares=_deal(mask_private, spec, roster, entropy),
        )

    def advert(self, spec: SessionSpec, *, site_id: str) -> Advert:
        """The public half: keys, hash of the seed, commitments in the cohort's order."""
        return Advert(
            spec=spec.digest,
            site_id=site_id,
            share_key=public_key(self.share_private),
            mask_key=public_key(self.mask_private),
            seed_hash=seed_hash(self.seed, spec=spec.digest, site=site_id),
            commitments=tuple(
                (
                    self._commit(ShareKind.SEED, spec, dealer=site_id, receiver=receiver),
                    self._commit(ShareKind.MASK_KEY, spec, dealer=site_id, receiver=receiver),
                )
                for receiver in spec.cohort
            ),
        )

    def _commit(self, kind: ShareKind, spec: SessionSpec, *, dealer: str, receiver: str) -> bytes:
        shares = self.seed_shares if kind is ShareKind.SEED else self.key_shares
        return commitment(shares[receiver], spec=spec.digest, dealer=dealer, receiver=receiver, kind=kind)


def _deal(secret: bytes, spec: SessionSpec, roster: Roster, entropy: Entropy) -> dict[str, OpenShare]:
    xs = [roster.index(site) + 1 for site in spec.cohort]
    points = split(int.from_bytes(secret, "big"), xs=xs, threshold=spec.threshold, entropy=entropy)
    return {site: OpenShare(y, entropy(SALT_BYTES)) for site, (_, y) in zip(spec.cohort, points, strict=True)}
