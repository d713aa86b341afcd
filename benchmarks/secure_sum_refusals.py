"""What a site must not follow, for the published vectors: session specs that it refuses, messages that end a session.

Each message is a changed copy of one that the site was shown in a real session. Where a peer signs what it never said,
that peer is in league with the coordinator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from secure_sum_cast import Case, spec_fields, stream

from autoglm_core.canonical import Json
from autoglm_core.privacy.bodies import Advert, Adverts, SharesFor, Signatures, Survivors, SurvivorSignature
from autoglm_core.privacy.messages import MessageBody, MessageKind, signed
from autoglm_core.privacy.session_spec import Purpose, SessionSpec

REFUSING = Case(
    "validation",
    "Three sites, counters alone: no body, no model delta.",
    sites=3,
    parameters=0,
    dimension=0,
    changes={"purpose": Purpose.VALIDATE, "trial": ""},
)
SITE, PEER, OTHER = "cluj", "aarhus", "delft"
OUTSIDER = "bern"
SPECS: Mapping[str, Mapping[str, Any]] = {
    "suite": {"suite": "autoglm/v1/plain"},
    "roster_hash": {"roster_hash": "00" * 32},
    "store_epoch": {"store_epoch": 2**40 + 6},
    "cohort": {"cohort": (SITE, PEER, OTHER)},
    "threshold": {"threshold": 2},
    "colluders": {"colluders": 0},
    "minimum_cohort": {"minimum_cohort": 2},
    "masked": {"masked": False},
    "counters": {"counters": b'[{"name":"weight"}]'},
    "dimension": {"dimension": 7},
    "levels": {"levels": (2**31 - 1) // 3 + 1},
    "clip": {"clip": -0.7},
    "weight_cap": {"weight_cap": 2**40 + 1},
    "noise": {"noise": 0.5},
    "models": {"models": ("no hash",)},
}
"""By the field that is refused; the first field in this order that is wrong is the one to name."""


@dataclass(frozen=True)
class Shown:
    """What `SITE` was shown in the session, decoded."""

    adverts: Adverts
    shares: SharesFor
    survivors: Survivors
    signatures: Signatures

    @classmethod
    def of(cls, session: Json) -> Shown:
        """From the session's transcript."""
        body = {
            MessageKind(message["kind"]): bytes.fromhex(message["body"])
            for message in session["messages"]
            if SITE in message.get("to", ())
        }
        return cls(
            Adverts.decode(body[MessageKind.ADVERTS]),
            SharesFor.decode(body[MessageKind.SHARES_FOR]),
            Survivors.decode(body[MessageKind.SURVIVORS]),
            Signatures.decode(body[MessageKind.SIGNATURES]),
        )


def refusals(session: Json) -> Json:
    """Both kinds, each with the code that must come out; `session` is that of `REFUSING`."""
    spec, shown = REFUSING.spec, Shown.of(session)
    bodies = [*_adverts(shown), *_shares(shown), *_survivors(shown), *_signatures(shown)]
    return {
        "about": f"Site {SITE} of validation.json, which saw store epoch {spec.store_epoch} before.",
        "site": SITE,
        "lowest_epoch": spec.store_epoch,
        "specs": [{"field": field, "changes": _changes(spec, change)} for field, change in SPECS.items()],
        "messages": [
            {"about": about, "kind": int(kind), "body": body.hex(), "code": code} for about, kind, body, code in bodies
        ],
    }


def _changes(spec: SessionSpec, change: Mapping[str, Any]) -> Json:
    fields = spec_fields(replace(spec, **change))
    return {name: fields[name] for name in change}


Changed = tuple[str, MessageKind, bytes, str]


def _case(about: str, body: MessageBody, code: str) -> Changed:
    return about, body.kind, body.encode(), code


def _adverts(shown: Shown) -> Iterator[Changed]:
    peer, own, other = shown.adverts.signed

    def listing(*entries: tuple[bytes, bytes]) -> Adverts:
        return replace(shown.adverts, signed=entries)

    def colluding(change: Callable[[Advert], Advert]) -> Adverts:
        message = signed(change(Advert.decode(peer[0])), key=REFUSING.key(PEER))
        return listing((message.body, message.signature), own, other)

    def with_key(key: bytes) -> Adverts:
        return colluding(lambda advert: replace(advert, mask_key=key))

    yield _case("another session", replace(shown.adverts, spec=bytes(32)), "wrong-session")
    yield _case("own advert left out", listing(peer, other), "advert-changed")
    yield _case("too few adverts", listing(peer, own), "too-few-sites")
    yield _case("out of order", listing(own, peer, other), "duplicate-site")
    yield _case("a site twice", listing(peer, peer, own, other), "duplicate-site")
    yield _case("a signature of another advert", listing((peer[0], other[1]), own, other), "bad-signature")
    stranger = signed(replace(Advert.decode(peer[0]), site_id=OUTSIDER), key=REFUSING.key(OUTSIDER))
    yield _case("a site outside the cohort", listing((stranger.body, stranger.signature), own, other), "unknown-site")
    yield _case("a zero key", with_key(bytes(32)), "bad-key")
    yield _case("this site's own key reflected", with_key(Advert.decode(own[0]).mask_key), "bad-key")
    yield _case("a commitment missing", colluding(lambda a: replace(a, commitments=a.commitments[:-1])), "bad-share")
    yield "a byte left over", MessageKind.ADVERTS, shown.adverts.encode() + b"\0", "malformed"


def _shares(shown: Shown) -> Iterator[Changed]:
    first, second = shown.shares.sealed

    def mail(*sealed: tuple[str, bytes]) -> SharesFor:
        return replace(shown.shares, sealed=sealed)

    yield _case("another site's mail", replace(shown.shares, site_id=PEER), "wrong-sender")
    yield _case("mail of too few peers", mail(first), "too-few-sites")
    yield _case("senders swapped", mail((first[0], second[1]), (second[0], first[1])), "bad-share")
    yield _case("a peer that did not advertise", mail(first, (second[0] + "x", second[1])), "unknown-site")


def _survivors(shown: Shown) -> Iterator[Changed]:
    def listing(*sites: str) -> Survivors:
        return replace(shown.survivors, sites=sites)

    yield _case("this site listed as dropped", listing(PEER, OTHER), "listed-dropped")
    yield _case("fewer than the threshold", listing(PEER, SITE), "too-few-sites")
    yield _case("a site that no mask is shared with", listing(PEER, OUTSIDER, SITE, OTHER), "unknown-site")
    yield _case("a site twice", listing(PEER, SITE, SITE, OTHER), "duplicate-site")


def _signatures(shown: Shown) -> Iterator[Changed]:
    genuine = shown.signatures
    first, second, third = genuine.signatures
    other_list = stream("another list")(32)
    statement = signed(SurvivorSignature(genuine.spec, PEER, other_list), key=REFUSING.key(PEER))
    elsewhere = ((PEER, statement.signature), second, third)
    yield _case("fewer than the threshold", replace(genuine, signatures=(first, second)), "too-few-signatures")
    yield _case("over another list", replace(genuine, survivors=other_list), "survivors-changed")
    yield _case("one signature over another list", replace(genuine, signatures=elsewhere), "bad-signature")
    yield _case("a signature twice", replace(genuine, signatures=(first, first, second)), "duplicate-site")
    outsider = ((PEER, first[1]), (OUTSIDER, first[1]), second, third)
    yield _case("a site that is no survivor", replace(genuine, signatures=outsider), "unknown-site")
