"""What a site checks of each message that the coordinator relays, before it follows it.

The coordinator is the adversary here. Each function takes the message and what the site knows for itself, and returns
what may be relied upon from then on, or raises; none of them changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from autoglm_core.encoding import Reader
from autoglm_core.privacy.bodies import (
    Acknowledged,
    Advert,
    Adverts,
    OpenShare,
    ShareKind,
    SharesFor,
    Signatures,
    Survivors,
    SurvivorSignature,
    require_sorted,
)
from autoglm_core.privacy.errors import (
    AdvertChanged,
    BadKey,
    BadShare,
    ListedDropped,
    SurvivorsChanged,
    TooFewSignatures,
    TooFewSites,
    UnknownSite,
    WrongSender,
    WrongSession,
)
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_keys import ShareChannel, commitment, require_sound
from autoglm_core.privacy.session_spec import SessionSpec

SharePair = tuple[OpenShare, OpenShare]
"""(of the seed, of the mask key)."""


@dataclass(frozen=True)
class AdvertView:
    """The adverts that this site was shown: by site, and the hash of the list as carried."""

    adverts: Mapping[str, Advert]
    view: bytes


def read_advert(body: bytes, signature: bytes, *, spec: SessionSpec, roster: Roster) -> Advert:
    """One advert, signed by a site of the cohort under its roster key; raises `Refused` or `Malformed`."""
    advert = Advert.decode(body)
    require_session(advert.spec, spec, MessageKind.ADVERT)
    if advert.site_id not in spec.cohort:
        raise UnknownSite(site=advert.site_id)
    message = Message(MessageKind.ADVERT, body, signature)
    message.verify(roster.key(advert.site_id), site=advert.site_id)
    if len(advert.commitments) != len(spec.cohort):
        raise BadShare(site=advert.site_id)
    for key in (advert.share_key, advert.mask_key):
        require_sound(key, site=advert.site_id)
    return advert


def read_adverts(message: Message, *, spec: SessionSpec, roster: Roster, own: Message) -> AdvertView:
    """The adverts: enough of them, each site once and in order, no key twice, this site's own as it was sent."""
    listed = Adverts.decode(message.body)
    require_session(listed.spec, spec, message.kind)
    adverts = [read_advert(body, signature, spec=spec, roster=roster) for body, signature in listed.signed]
    require_sorted((advert.site_id for advert in adverts), what=message.kind.label)
    if (own.body, own.signature) not in listed.signed:
        raise AdvertChanged
    require_enough(len(adverts), spec=spec, phase="ADVERTISE")
    require_distinct_keys(adverts)
    return AdvertView({advert.site_id: advert for advert in adverts}, sha256(message.body).digest())


def require_distinct_keys(adverts: list[Advert]) -> None:
    """Raise `BadKey` if a session key occurs twice: reflected by another site, or one key for both uses."""
    seen: set[bytes] = set()
    for advert in adverts:
        for key in (advert.share_key, advert.mask_key):
            if key in seen:
                raise BadKey(site=advert.site_id, reason="another key of this session")
            seen.add(key)


def read_shares(
    message: Message, *, spec: SessionSpec, site_id: str, known: AdvertView, channels: Mapping[str, ShareChannel]
) -> dict[str, SharePair]:
    """What the peers sealed for this site, opened and compared with their commitments."""
    bundle = SharesFor.decode(message.body)
    require_session(bundle.spec, spec, message.kind)
    if bundle.site_id != site_id:
        raise WrongSender(site=site_id, named=bundle.site_id)
    require_enough(len(bundle.sealed) + 1, spec=spec, phase="SHARE")
    position = spec.cohort.index(site_id)
    pairs = {}
    for sender, ciphertext in bundle.sealed:
        if sender not in channels:
            raise UnknownSite(site=sender)
        pair = _open_pair(channels[sender].open(ciphertext))
        for share, kind, expected in zip(pair, ShareKind, known.adverts[sender].commitments[position], strict=True):
            if commitment(share, spec=spec.digest, dealer=sender, receiver=site_id, kind=kind) != expected:
                raise BadShare(site=sender)
        pairs[sender] = pair
    return pairs


def read_survivors(message: Message, *, spec: SessionSpec, site_id: str, masked_with: frozenset[str]) -> Survivors:
    """A survivor list that this site may sign: enough sites, itself among them, nobody it did not mask with."""
    survivors = Survivors.decode(message.body)
    require_session(survivors.spec, spec, message.kind)
    for site in survivors.sites:
        if site not in masked_with:
            raise UnknownSite(site=site)
    if site_id not in survivors.sites:
        raise ListedDropped
    require_enough(len(survivors.sites), spec=spec, phase="MASK")
    return survivors


def read_signatures(message: Message, *, spec: SessionSpec, roster: Roster, survivors: Survivors) -> Signatures:
    """At least `threshold` survivors signed exactly the list that this site signed."""
    listed = Signatures.decode(message.body)
    require_session(listed.spec, spec, message.kind)
    if listed.survivors != survivors.list_hash:
        raise SurvivorsChanged
    for site, signature in listed.signatures:
        if site not in survivors.sites:
            raise UnknownSite(site=site)
        statement = SurvivorSignature(spec.digest, site, survivors.list_hash)
        signed = Message(MessageKind.SURVIVOR_SIGNATURE, statement.encode(), signature)
        signed.verify(roster.key(site), site=site)
    if len(listed.signatures) < spec.threshold:
        raise TooFewSignatures(received=len(listed.signatures), needed=spec.threshold)
    return listed


def read_acknowledgement(message: Message, *, spec: SessionSpec) -> None:
    """Only that it belongs to this session."""
    require_session(Acknowledged.decode(message.body).spec, spec, message.kind)


def require_session(received: bytes, spec: SessionSpec, kind: MessageKind) -> None:
    """Raise `WrongSession` unless the body names this spec."""
    if received != spec.digest:
        raise WrongSession(kind=kind.label)


def require_enough(left: int, *, spec: SessionSpec, phase: str) -> None:
    """Raise `TooFewSites` below the threshold or the minimum cohort."""
    if left < spec.needed:
        raise TooFewSites(phase=phase, left=left, needed=spec.needed)


def _open_pair(plain: bytes) -> SharePair:
    reader = Reader(plain, what="sealed shares")
    pair = OpenShare.read(reader), OpenShare.read(reader)
    reader.end()
    return pair
