"""From shares to the sum: which masks are still in it, and how they are taken out.

A survivor's pairwise masks with other survivors cancel. What is left is every survivor's self mask, and its masks
with sharers that dropped. The first are rebuilt from shares of seeds, the second from shares of the dropped sites'
mask keys; each rebuilt secret is compared with what its owner advertised, so a dealer that shared something else is
caught.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.privacy.bodies import Unmask
from autoglm_core.privacy.coordinator_states import Summed
from autoglm_core.privacy.errors import BadDealer
from autoglm_core.privacy.masks import MaskStream
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_keys import pair_stream, public_key, seed_hash, self_stream
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.shamir import SECRET_BYTES, interpolate, weights_at_zero


def remaining_masks(
    summed: Summed, answers: Mapping[str, Unmask], *, spec: SessionSpec, roster: Roster
) -> list[MaskStream]:
    """Streams that take every remaining mask out of `summed.running`.

    `answers`: at least `spec.threshold` unmask messages whose shares match their commitments.

    Raises:
        BadDealer: a site's shares rebuild another secret than it advertised.
    """
    secrets = _rebuild(summed, answers, spec=spec, roster=roster)
    survivors = summed.survivors.sites
    streams = [self_stream(secrets[site], spec=spec.digest, site=site).inverse() for site in survivors]
    adverts = summed.shown.adverts
    for dropped in summed.sharers:
        if dropped not in survivors:
            # The dropped site's own half of each pair mask is exactly what cancels the half that is in the sum.
            streams += [
                pair_stream(secrets[dropped], adverts[site].mask_key, spec=spec.digest, own=dropped, peer=site)
                for site in survivors
            ]
    return streams


def _rebuild(summed: Summed, answers: Mapping[str, Unmask], *, spec: SessionSpec, roster: Roster) -> dict[str, bytes]:
    """Each survivor's seed and each dropped sharer's mask key."""
    chosen = sorted(answers)[: spec.threshold]
    weights = weights_at_zero([roster.index(site) + 1 for site in chosen])
    columns = zip(*(answers[site].shares for site in chosen), strict=True)
    secrets = {}
    for dealer, column in zip(summed.sharers, columns, strict=True):
        value = interpolate(weights, (share.y for _, _, share in column))
        secrets[dealer] = _advertised(value, dealer, summed=summed, spec=spec)
    return secrets


def _advertised(value: int, dealer: str, *, summed: Summed, spec: SessionSpec) -> bytes:
    """`value` as the 32 bytes that `dealer` advertised; raises `BadDealer` if it is something else."""
    if value >= 1 << (8 * SECRET_BYTES):
        raise BadDealer(site=dealer)
    secret, advert = value.to_bytes(SECRET_BYTES, "big"), summed.shown.adverts[dealer]
    if dealer in summed.survivors.sites:
        matches = seed_hash(secret, spec=spec.digest, site=dealer) == advert.seed_hash
    else:
        matches = public_key(secret) == advert.mask_key
    if not matches:
        raise BadDealer(site=dealer)
    return secret
