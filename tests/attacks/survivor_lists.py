"""The coordinator lies about who survived: the list decides which kind of share each site releases for each peer.

Whoever gets both kinds of one site's shares, or shares below the threshold, opens its vector alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_core.privacy.bodies import ShareKind, Signatures, Survivors, SurvivorSignature, Unmask
from autoglm_core.privacy.coordinator_session import Phase
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind, signed, unsigned
from support.interference import signatures, survivors_named, withhold
from support.secure_sum_wire import Wire, completed
from support.victims import FAMILY, FOUR, VICTIM, Victim, meets, refuses

SURVIVORS, SIGNATURES, ACKNOWLEDGED = MessageKind.SURVIVORS, MessageKind.SIGNATURES, MessageKind.ACKNOWLEDGED


def test_control_an_honest_list_opens_the_sum_with_one_kind_of_share_for_each_peer(victim: Victim) -> None:
    wire = meets(victim, round=victim.ground.round(FAMILY[:5]), drops={"site-e": Phase.MASK})
    assert completed(wire.outcome).survivors == FOUR
    body = Unmask.decode(wire.messages[VICTIM, MessageKind.UNMASK].body)
    kinds = {dealer: kind for dealer, kind, _ in body.shares}
    assert kinds == {**dict.fromkeys(FOUR, ShareKind.SEED), "site-e": ShareKind.MASK_KEY}


def test_the_victim_itself_is_listed_as_dropped(victim: Victim) -> None:
    """The classic: its self mask and its pairwise masks would both become known."""
    refuses(victim, "listed-dropped", survivors_named("site-a", "site-c", "site-d"))


LISTS = {"twice": ("site-a", VICTIM, VICTIM, "site-c"), "unsorted": (VICTIM, "site-a", "site-c")}


@pytest.mark.parametrize("sites", LISTS.values(), ids=LISTS.keys())
def test_a_site_is_listed_twice(victim: Victim, sites: tuple[str, ...]) -> None:
    """One site would count for two: a sum below the threshold looks like one above it."""
    refuses(victim, "duplicate-site", survivors_named(*sites))


def test_the_survivors_are_below_the_threshold(victim: Victim) -> None:
    refuses(victim, "too-few-sites", survivors_named("site-a", VICTIM))


def test_the_survivors_are_below_the_minimum_cohort(victim: Victim) -> None:
    """Enough shares, but fewer sites than every administrator was promised."""
    round = victim.ground.round(FAMILY[:6], minimum_cohort=6)
    assert round.spec.threshold < 5
    refuses(victim, "too-few-sites", survivors_named(*FAMILY[:5]), round=round)


def test_a_site_that_never_shared_is_listed(victim: Victim) -> None:
    """Nobody masked with it, so it would leave fewer masks on the victim than the list says."""
    refuses(victim, "unknown-site", survivors_named(*FOUR), drops={"site-d": Phase.SHARE})


def test_a_stranger_is_listed(victim: Victim) -> None:
    refuses(victim, "unknown-site", survivors_named(*FOUR, "zz"))


def test_the_others_signatures_are_forged(victim: Victim) -> None:
    coordinator = SiteKey.generate()

    def forge(body: Signatures) -> Signatures:
        return replace(body, signatures=tuple((site, vouch(body, site, coordinator)) for site, _ in body.signatures))

    refuses(victim, "bad-signature", signatures(forge))


def test_signatures_over_another_list_do_not_count(victim: Victim) -> None:
    """Real signatures by colluding sites, over what the other half of the cohort was shown."""

    def mix(body: Signatures) -> Signatures:
        other = replace(body, survivors=Survivors(body.spec, FOUR[1:]).list_hash)
        site = body.signatures[0][0]
        return replace(body, signatures=((site, vouch(other, site, victim.ground.peers[site])), *body.signatures[1:]))

    refuses(victim, "bad-signature", signatures(mix))


def test_the_signatures_name_another_list(victim: Victim) -> None:
    refuses(victim, "survivors-changed", signatures(lambda m: replace(m, survivors=bytes(32))))


def test_one_signature_too_few(victim: Victim) -> None:
    refuses(victim, "too-few-signatures", signatures(lambda m: replace(m, signatures=m.signatures[:2])))


def test_one_signature_is_counted_twice(victim: Victim) -> None:
    refuses(victim, "duplicate-site", signatures(lambda m: replace(m, signatures=(m.signatures[0],) * 3)))


def test_a_member_of_the_roster_outside_the_cohort_signs(victim: Victim) -> None:
    """A colluder that has no part in this session lends its signature."""

    def lend(body: Signatures) -> Signatures:
        outsider = ("site-e", vouch(body, "site-e", victim.ground.peers["site-e"]))
        return replace(body, signatures=(*body.signatures[:2], outsider))

    refuses(victim, "unknown-site", signatures(lend))


def stopped(victim: Victim, *withheld: MessageKind, after: MessageKind) -> Wire:
    """A session in which the victim said `after` and waits."""
    return meets(victim, withhold(*withheld, ACKNOWLEDGED), until=after)


@pytest.mark.parametrize("released", [False, True], ids=["signed", "released"])
def test_a_second_list_after_the_first(victim: Victim, released: bool) -> None:
    """Two lists with one site on one of them only: both kinds of its shares."""
    withheld, after = ((), MessageKind.UNMASK) if released else ((SIGNATURES,), MessageKind.SURVIVOR_SIGNATURE)
    wire = stopped(victim, *withheld, after=after)
    other = unsigned(Survivors(wire.spec.digest, FOUR[:3]))
    assert victim.answer(wire, other) == victim.word("survivors-changed")
    victim.stays_silent(wire, wire.shown["site-a", SIGNATURES])


def test_the_round_of_signatures_is_skipped(victim: Victim) -> None:
    """Signatures straight after the vectors: the victim signed no list yet, and waits for one."""
    wire = stopped(victim, SURVIVORS, after=MessageKind.MASKED)
    listed = Survivors(wire.spec.digest, FOUR)
    body = Signatures(wire.spec.digest, listed.list_hash, ())
    pairs = tuple((site, vouch(body, site, victim.ground.peers[site])) for site in FOUR if site != VICTIM)
    victim.ignores(wire, unsigned(replace(body, signatures=pairs)))
    statement = victim.answer(wire, unsigned(listed))
    assert isinstance(statement, Message)
    assert statement.kind is MessageKind.SURVIVOR_SIGNATURE


def test_asking_again_gives_the_same_bytes(victim: Victim) -> None:
    """A coordinator that restarts must ask again; it learns nothing more from that."""
    wire = stopped(victim, after=MessageKind.UNMASK)
    for kind, said in ((SIGNATURES, MessageKind.UNMASK), (SURVIVORS, MessageKind.SURVIVOR_SIGNATURE)):
        assert victim.answer(wire, wire.shown[VICTIM, kind]) == wire.messages[VICTIM, said]


def vouch(body: Signatures, site: str, key: SiteKey) -> bytes:
    """The signature of `key` over the list that `body` names, in the name of `site`."""
    return signed(SurvivorSignature(body.spec, site, body.survivors), key=key).signature
