"""What can go wrong in a session: a `Refused` ends it for whoever raises it, an `IllegalEvent` changes nothing."""

from __future__ import annotations

from typing import ClassVar

from autoglm_core.errors import AutoglmError, InvalidInput, Kind, Scalar


class IllegalEvent(AutoglmError):
    """The event does not belong in this state; the state is as it was."""

    code = "illegal-event"
    kind = Kind.CONFLICT

    def __init__(self, *, state: str, event: str) -> None:
        super().__init__(f"{event} does not belong in state {state}; nothing was changed", state=state, event=event)


class SpecRefused(InvalidInput):
    """A session's parameters do not meet what this site's roster and policy demand."""

    code = "spec-refused"

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"session spec, {field}: {reason}", field=field, reason=reason)


class Refused(AutoglmError):
    """A message that must not be followed: the session is over for whoever raises this."""

    code = "session-refused"
    kind = Kind.ABORTED
    advice: ClassVar[str] = "nothing was released, a new session may be tried"

    def __init__(self, text: str, **data: Scalar) -> None:
        super().__init__(f"{text}; {self.advice}", **data)


class WrongSession(Refused):
    """A message of another session, or of this one under other parameters."""

    code = "wrong-session"

    def __init__(self, *, kind: str) -> None:
        super().__init__(f"{kind} belongs to another session spec", name=kind)


class BadSignature(Refused):
    """A signature does not verify under the key that the accepted roster holds for `site`."""

    code = "bad-signature"
    advice = "compare the fingerprint of the sender's key with the accepted roster"

    def __init__(self, *, name: str, site: str = "") -> None:
        super().__init__(f"{name} is not signed by the key of {site or 'its sender'}", name=name, site=site)


class BadKey(Refused):
    """A session key that is zero, of small order, not canonical, or someone else's."""

    code = "bad-key"

    def __init__(self, *, site: str, reason: str) -> None:
        super().__init__(f"the session key of {site} is {reason}", site=site, reason=reason)


class UnknownSite(Refused):
    """A site that is not of this session."""

    code = "unknown-site"

    def __init__(self, *, site: str) -> None:
        super().__init__(f"{site} does not belong to this session", site=site)


class NotSorted(Refused):
    """A list names a site twice, or out of order."""

    code = "duplicate-site"

    def __init__(self, *, kind: str) -> None:
        super().__init__(f"{kind} must name each site once, in order", name=kind)


class WrongSender(Refused):
    """A message names another site than the one it came from."""

    code = "wrong-sender"

    def __init__(self, *, site: str, named: str) -> None:
        super().__init__(f"a message of {site} speaks for {named}", site=site, named=named)


class WrongPeers(Refused):
    """A message holds shares for other peers, or of other kinds, than this session asks for."""

    code = "wrong-peers"

    def __init__(self, *, site: str) -> None:
        super().__init__(f"{site} sent shares for other peers or of other kinds than asked for", site=site)


class DuplicateMessage(Refused):
    """A second, different message where one is allowed."""

    code = "duplicate-message"

    def __init__(self, *, site: str, kind: str) -> None:
        super().__init__(f"{site} sent a second {kind} with other content", site=site, name=kind)


class TooFewSites(Refused):
    """Fewer sites are left than the threshold or the minimum cohort demands."""

    code = "too-few-sites"

    def __init__(self, *, phase: str, left: int, needed: int) -> None:
        super().__init__(f"{left} sites left in {phase}, {needed} needed", phase=phase, left=left, needed=needed)


class TooFewSignatures(Refused):
    """Fewer signatures over the survivor list than the threshold."""

    code = "too-few-signatures"

    def __init__(self, *, received: int, needed: int) -> None:
        super().__init__(f"{received} signatures over the survivors, {needed} needed", received=received, needed=needed)


class AdvertChanged(Refused):
    """This site's own advert is missing from the list, or not what it sent."""

    code = "advert-changed"

    def __init__(self) -> None:
        super().__init__("the list of adverts does not hold this site's own")


class ListedDropped(Refused):
    """The survivor list leaves out this site, whose vector was sent."""

    code = "listed-dropped"

    def __init__(self) -> None:
        super().__init__("this site stands as dropped though its vector was sent")


class SurvivorsChanged(Refused):
    """A second survivor list, or signatures over another than the one this site signed."""

    code = "survivors-changed"

    def __init__(self) -> None:
        super().__init__("the survivor list is not the one that this site signed")


class BadShare(Refused):
    """A share that does not open, or does not match its dealer's commitment; `site` is to blame."""

    code = "bad-share"

    def __init__(self, *, site: str) -> None:
        super().__init__(f"{site} handed out a wrong share", site=site)


class BadDealer(Refused):
    """Shares that all match their commitments rebuild another secret than `site` advertised."""

    code = "bad-dealer"

    def __init__(self, *, site: str) -> None:
        super().__init__(f"{site} shared another secret than it advertised", site=site)


class UnmaskIncomplete(Refused):
    """This site already released shares for these models and purpose, over other survivors or another input."""

    code = "unmask-incomplete"

    def __init__(self) -> None:
        super().__init__("shares for these models were released before, over other survivors or another input")
