"""The coordinator holds a masked vector, and everything that the victim's peers know.

What a site sends is its numbers under a mask of its own and one mask with each peer: any one of these that stays on
hides them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from autoglm_core.privacy.masks import MaskStream, unmask
from autoglm_core.privacy.messages import MessageKind
from autoglm_core.privacy.session_keys import pair_stream, self_stream
from autoglm_core.privacy.shamir import combine
from autoglm_core.privacy.site_secrets import SiteSecrets
from autoglm_core.privacy.site_states import Advertised, SiteState
from autoglm_core.privacy.vectors import ClearVector
from support.interference import advert_in
from support.secure_sum_wire import Wire
from support.victims import FOUR, VICTIM, MachineVictim

PEERS = tuple(site for site in FOUR if site != VICTIM)


class Opened:
    """A session whose secrets were written down as they were drawn, and the victim's vector as it left."""

    def __init__(self) -> None:
        victim = MachineVictim()
        self.wire: Wire = victim.wire()
        self.wire.begin()
        self._secrets = {site: drawn(self.wire.sites[site]._state) for site in FOUR}
        self.wire.settle()
        assert self.wire.outcome is not None

    def own_mask(self) -> MaskStream:
        """What the victim adds alone."""
        return self_stream(self._secrets[VICTIM].seed, spec=self.wire.spec.digest, site=VICTIM)

    def mask_with(self, peer: str) -> MaskStream:
        """What the victim applies for a peer, as the peer computes it."""
        public = advert_in(self.wire.shown[peer, MessageKind.ADVERTS], VICTIM).mask_key
        private, spec = self._secrets[peer].mask_private, self.wire.spec.digest
        return pair_stream(private, public, spec=spec, own=peer, peer=VICTIM).inverse()

    def without(self, streams: Sequence[MaskStream]) -> ClearVector:
        """The victim's vector with `streams` taken off."""
        return unmask(self.wire.vectors[VICTIM].copy(), [stream.inverse() for stream in streams])

    def agreeing(self, vector: ClearVector) -> float:
        """The share of lanes in which `vector` is the victim's own."""
        return float(np.mean(vector.body == self.wire.inputs[VICTIM].body))


def drawn(state: SiteState) -> SiteSecrets:
    """The secrets of a site that has advertised."""
    assert isinstance(state, Advertised)
    return state.secrets


@pytest.fixture(scope="module")
def opened() -> Opened:
    """One honest session, looked at from everywhere."""
    return Opened()


def test_control_without_every_mask_the_vector_lies_open(opened: Opened) -> None:
    masks = [opened.own_mask(), *(opened.mask_with(peer) for peer in PEERS)]
    assert opened.without(masks).to_bytes() == opened.wire.inputs[VICTIM].to_bytes()


def test_all_the_peers_collude(opened: Opened) -> None:
    """They know each mask that the victim shares with them; its own stays on."""
    assert opened.agreeing(opened.without([opened.mask_with(peer) for peer in PEERS])) < 0.01


@pytest.mark.parametrize("colluders", range(len(PEERS)))
def test_the_own_mask_is_known_and_some_peers_collude(opened: Opened, colluders: int) -> None:
    """As after an honest release: one honest peer is enough to hide the victim."""
    for known in combinations(PEERS, colluders):
        masks = [opened.own_mask(), *(opened.mask_with(peer) for peer in known)]
        assert opened.agreeing(opened.without(masks)) < 0.01, known


def test_the_victim_draws_the_same_secrets_twice() -> None:
    """A seed that does not come from the entropy it is given can be guessed, or comes again."""
    ground = MachineVictim().ground
    spec, roster = ground.round().spec, ground.roster
    given: list[bytes] = []

    def entropy(size: int) -> bytes:
        # Each draw says which it was: nothing that was not drawn looks like one.
        given.append(len(given).to_bytes(2, "big") * (size // 2))
        return given[-1]

    secrets = SiteSecrets.draw(spec, roster, entropy=entropy)
    used = [secrets.seed, secrets.share_private, secrets.mask_private]
    used += [share.salt for shares in (secrets.seed_shares, secrets.key_shares) for share in shares.values()]
    assert len(set(used)) == len(used)
    assert set(used) <= set(given)
    # The rest are the coefficients of two polynomials of degree threshold - 1.
    assert len(given) == len(used) + 2 * (spec.threshold - 1)


def test_shares_below_the_threshold_are_pooled() -> None:
    """All the shares that the assumed colluders get, and as many more as the threshold leaves: any secret fits them."""
    ground = MachineVictim().ground
    spec, roster = ground.round().spec, ground.roster
    secrets = SiteSecrets.draw(spec, roster, entropy=np.random.default_rng(1).bytes)
    points = [(roster.index(site) + 1, secrets.seed_shares[site].y) for site in spec.cohort]
    true = int.from_bytes(secrets.seed, "big")
    assert combine(points[: spec.threshold]) == true
    assert combine(points[: spec.threshold - 1]) != true
