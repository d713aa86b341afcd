"""What a cheating coordinator may do to a message before a site sees it, as functions for `Wire.interfere`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from autoglm_core.privacy.bodies import Advert, Adverts, SharesFor, Signatures, Survivors
from autoglm_core.privacy.coordinator_events import CoordinatorEvent, MaskedArrived, Received, SiteLost
from autoglm_core.privacy.errors import Refused
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind, signed, unsigned
from support.secure_sum_wire import Interfere, Wire


class CheatersWire(Wire):
    """The coordinator's own half does not go along with its cheating: a site that it cannot use is lost to it."""

    def _arrive(self, event: CoordinatorEvent) -> None:
        try:
            super()._arrive(event)
        except Refused:
            assert isinstance(event, Received | MaskedArrived)
            self.feed(SiteLost(event.site_id))


def nothing(_: str, message: Message) -> Message:
    """Relay as an honest coordinator does."""
    return message


def on(kind: MessageKind, change: Callable[[Message], Message]) -> Interfere:
    """Change messages of one kind."""
    return lambda _, message: change(message) if message.kind is kind else message


def withhold(*kinds: MessageKind) -> Interfere:
    """Never show messages of these kinds."""
    return lambda _, message: None if message.kind in kinds else message


def survivors_named(*sites: str) -> Interfere:
    """Show this survivor list."""
    return on(MessageKind.SURVIVORS, lambda m: unsigned(Survivors(Survivors.decode(m.body).spec, sites)))


def signatures(change: Callable[[Signatures], Signatures]) -> Interfere:
    """Change the signatures over the survivors."""
    return on(MessageKind.SIGNATURES, lambda m: unsigned(change(Signatures.decode(m.body))))


def mail(change: Callable[[SharesFor], SharesFor]) -> Interfere:
    """Change what a site's peers sealed for it."""
    return on(MessageKind.SHARES_FOR, lambda m: unsigned(change(SharesFor.decode(m.body))))


def adverts(change: Callable[[Adverts], Adverts]) -> Interfere:
    """Change the list of adverts."""
    return on(MessageKind.ADVERTS, lambda m: unsigned(change(Adverts.decode(m.body))))


def change_advert(of: str, key: SiteKey | None = None, **changes: Any) -> Interfere:
    """Change one advert in the list; signed by `key`, or with the old signature."""

    def change(listed: Adverts) -> Adverts:
        pairs = []
        for body, signature in listed.signed:
            advert = Advert.decode(body)
            if advert.site_id == of:
                fresh = replace(advert, **changes)
                again = signed(fresh, key=key) if key else Message(MessageKind.ADVERT, fresh.encode(), signature)
                body, signature = again.body, again.signature
            pairs.append((body, signature))
        return Adverts(listed.spec, tuple(pairs))

    return adverts(change)


def advert_in(message: Message, of: str) -> Advert:
    """The advert of one site in an ADVERTS message."""
    return next(
        advert for body, _ in Adverts.decode(message.body).signed if (advert := Advert.decode(body)).site_id == of
    )
