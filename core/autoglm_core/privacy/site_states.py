"""The states of a site's half: each holds what that state needs and no more, so what is gone cannot be released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoglm_core.privacy.bodies import Survivors
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_keys import ShareChannel
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.shamir import Entropy
from autoglm_core.privacy.site_checks import AdvertView, SharePair
from autoglm_core.privacy.site_events import RecordRelease
from autoglm_core.privacy.site_secrets import SiteSecrets
from autoglm_core.privacy.vectors import ClearVector


@dataclass(frozen=True, repr=False)
class Site:
    """What a site knows before the session and never changes in it."""

    spec: SessionSpec
    roster: Roster
    site_id: str
    key: SiteKey
    entropy: Entropy
    earlier: tuple[RecordRelease, ...]


@dataclass(frozen=True)
class New:
    """Nothing was drawn or sent."""


@dataclass(frozen=True)
class Clear:
    """Waits for an input that the coordinator may see: the spec says `masked=False` and the policy agreed."""


@dataclass(frozen=True, repr=False)
class Advertised:
    """Waits for the adverts; `waiting_input`: came before it could be masked."""

    secrets: SiteSecrets
    advert: Message
    waiting_input: ClearVector | None = None


@dataclass(frozen=True, repr=False)
class Shared:
    """Waits for the peers' shares."""

    secrets: SiteSecrets
    known: AdvertView
    channels: Mapping[str, ShareChannel]
    waiting_input: ClearVector | None = None


@dataclass(frozen=True, repr=False)
class Ready:
    """Holds every share that it will get; waits for the input."""

    secrets: SiteSecrets
    known: AdvertView
    pairs: Mapping[str, SharePair]


@dataclass(frozen=True, repr=False)
class Masked:
    """Its vector left; waits for the survivors. `pairs`: by dealer, this site among them."""

    pairs: Mapping[str, SharePair]
    input_hash: str


@dataclass(frozen=True, repr=False)
class Signed:
    """Signed one survivor list; waits for the others' signatures."""

    pairs: Mapping[str, SharePair]
    input_hash: str
    survivors: Survivors
    statement: Message


@dataclass(frozen=True)
class Released:
    """Sent its shares, holds none any more; `unmask` may be asked for again."""

    survivors: Survivors
    statement: Message
    unmask: Message = field(repr=False)


@dataclass(frozen=True)
class Finished:
    """Its part is over."""


@dataclass(frozen=True)
class GivenUp:
    """The session is over here and nothing more is sent."""


SiteState = New | Clear | Advertised | Shared | Ready | Masked | Signed | Released | Finished | GivenUp
ENDED = (Finished, GivenUp)
