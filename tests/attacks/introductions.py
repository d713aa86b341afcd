"""The coordinator introduces the sites to each other: it swaps, invents, reflects and repeats their keys and mail.

With a key of its own in one advert it would know that site's half of a mask, or read the shares that are sealed for it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_core.privacy.bodies import Advert, Adverts, OpenShare, SharesFor
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.site_states import Shared
from support.interference import advert_in, adverts, change_advert, mail
from support.secure_sum_wire import Wire, completed
from support.victims import FOUR, VICTIM, Victim, meets, refuses

PEER = "site-c"
KEYS = ("share_key", "mask_key")
KNOWN = {
    "zero": bytes(32),
    "one": bytes([1]) + bytes(31),
    "order 8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "second form": (9 + 2**255 - 19).to_bytes(32, "little"),
}


def test_control_honest_introductions_end_in_a_sum(victim: Victim) -> None:
    assert completed(meets(victim).outcome).survivors == FOUR


@pytest.mark.parametrize("field", KEYS)
def test_a_key_is_swapped_under_the_old_signature(victim: Victim, field: str) -> None:
    refuses(victim, "bad-signature", change_advert(PEER, None, **{field: SiteKey.generate().public.raw}))


@pytest.mark.parametrize("field", KEYS)
def test_a_key_is_swapped_and_signed_by_an_identity_that_the_coordinator_minted(victim: Victim, field: str) -> None:
    """It is the CA of every TLS certificate; in the roster stands none of its keys."""
    minted = SiteKey.generate()
    refuses(victim, "bad-signature", change_advert(PEER, minted, **{field: minted.public.raw}))


def test_an_identity_outside_the_cohort_is_introduced(victim: Victim) -> None:
    refuses(victim, "unknown-site", change_advert("site-d", SiteKey.generate(), site_id="zz"))


def test_a_member_of_the_roster_outside_the_cohort_is_introduced(victim: Victim) -> None:
    outsider = victim.ground.peers["site-e"]
    refuses(victim, "unknown-site", change_advert("site-d", outsider, site_id="site-e"))


def test_the_victims_own_advert_is_left_out(victim: Victim) -> None:
    """The others would be told that it never came."""

    def leave_out(listed: Adverts) -> Adverts:
        return replace(listed, signed=tuple(pair for pair in listed.signed if Advert.decode(pair[0]).site_id != VICTIM))

    refuses(victim, "advert-changed", adverts(leave_out))


def test_the_victims_own_advert_is_an_earlier_one(victim: Victim) -> None:
    """Honestly signed by the victim, in a session that went before."""
    earlier = advert_pair(meets(victim), VICTIM)

    def exchange(listed: Adverts) -> Adverts:
        pairs = [earlier if Advert.decode(pair[0]).site_id == VICTIM else pair for pair in listed.signed]
        return replace(listed, signed=tuple(pairs))

    refuses(victim, "wrong-session", adverts(exchange))


def test_a_site_is_introduced_twice(victim: Victim) -> None:
    """Its mask would count twice."""
    refuses(victim, "duplicate-site", adverts(lambda m: replace(m, signed=(m.signed[0], *m.signed))))


def test_too_few_sites_are_introduced(victim: Victim) -> None:
    refuses(victim, "too-few-sites", adverts(lambda m: replace(m, signed=m.signed[:2])))


@pytest.mark.parametrize("key", KNOWN.values(), ids=KNOWN.keys())
@pytest.mark.parametrize("field", KEYS)
def test_a_colluding_site_advertises_a_key_whose_secret_everybody_knows(victim: Victim, field: str, key: bytes) -> None:
    refuses(victim, "bad-key", change_advert(PEER, victim.ground.peers[PEER], **{field: key}))


@pytest.mark.parametrize("field", KEYS)
def test_a_colluding_site_reflects_the_victims_key(victim: Victim, field: str) -> None:
    """Two equal masks cancel, or a share is sealed to its own sender."""

    def reflect(site: str, message: Message) -> Message | None:
        if message.kind is not MessageKind.ADVERTS:
            return message
        stolen = getattr(advert_in(message, VICTIM), field)
        return change_advert(PEER, victim.ground.peers[PEER], **{field: stolen})(site, message)

    refuses(victim, "bad-key", reflect)


def test_one_key_for_both_uses(victim: Victim) -> None:
    """Opening a dropped site's masks would open its mail as well."""

    def double(site: str, message: Message) -> Message | None:
        if message.kind is not MessageKind.ADVERTS:
            return message
        key = advert_in(message, PEER).share_key
        return change_advert(PEER, victim.ground.peers[PEER], mask_key=key)(site, message)

    refuses(victim, "bad-key", double)


def test_the_shares_of_two_peers_are_swapped(victim: Victim) -> None:
    def swap(bundle: SharesFor) -> SharesFor:
        (a, first), (b, second), *others = bundle.sealed
        return replace(bundle, sealed=((a, second), (b, first), *others))

    refuses(victim, "bad-share", mail(swap))


def test_the_mail_of_another_site(victim: Victim) -> None:
    refuses(victim, "wrong-sender", mail(lambda bundle: replace(bundle, site_id=PEER)))


def test_mail_of_a_site_that_was_never_introduced(victim: Victim) -> None:
    refuses(victim, "unknown-site", mail(lambda m: replace(m, sealed=(*m.sealed[:2], ("zz", m.sealed[2][1])))))


def test_mail_of_too_few_sites(victim: Victim) -> None:
    """Masked with one peer alone, a vector is as good as bare to that peer and the coordinator."""
    refuses(victim, "too-few-sites", mail(lambda bundle: replace(bundle, sealed=bundle.sealed[:1])))


def test_a_colluding_dealer_hands_out_a_wrong_share(victim: Victim) -> None:
    """Blamed on the victim later, it would put an honest site out of the sum."""
    wires: list[Wire] = []

    def deal(site: str, message: Message) -> Message | None:
        return mail(lambda bundle: with_wrong_share(bundle, wires[0]))(site, message)

    wire = victim.wire(interfere=deal)
    wires.append(wire)
    victim.play(wire)
    victim.gave_up(wire, "bad-share")


def with_wrong_share(bundle: SharesFor, wire: Wire) -> SharesFor:
    """The same mail, honestly sealed by `PEER`, whose share of its seed is off by one."""
    dealer = wire.sites[PEER]._state
    assert isinstance(dealer, Shared)
    share = dealer.secrets.seed_shares[VICTIM]
    wrong = dealer.channels[VICTIM].seal(OpenShare(share.y ^ 1, share.salt), dealer.secrets.key_shares[VICTIM])
    return replace(bundle, sealed=tuple((peer, wrong if peer == PEER else own) for peer, own in bundle.sealed))


def advert_pair(wire: Wire, site: str) -> tuple[bytes, bytes]:
    """A site's advert as it stood in what the victim was shown."""
    listed = Adverts.decode(wire.shown[VICTIM, MessageKind.ADVERTS].body)
    return next(pair for pair in listed.signed if Advert.decode(pair[0]).site_id == site)
