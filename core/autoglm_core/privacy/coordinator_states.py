"""The phases of the coordinator's half; each state holds what its phase needs.

A collecting phase has `expected` sites and `answers`; it ends when everyone who is not lost has answered, or at the deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoglm_core.privacy.bodies import Advert, Shares, Survivors, Unmask
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.vectors import MaskedVector


class Phase(StrEnum):
    """Where a session stands, in order."""

    NEW = "new"
    ADVERTISE = "advertise"
    SHARE = "share"
    MASK = "mask"
    PERSIST = "persist"
    """Waits until the survivors and the running sum are durable."""
    CONSISTENCY = "consistency"
    UNMASK = "unmask"
    DONE = "done"
    ABORTED = "aborted"


@dataclass(frozen=True)
class Shown:
    """What every site was shown: the adverts, and the same list as carried."""

    adverts: Mapping[str, Advert]
    listed: Message


@dataclass(frozen=True)
class Summed:
    """The sum under masks and all that is needed to open it."""

    shown: Shown
    sharers: tuple[str, ...]
    """Sites whose masks may be in the sum."""
    survivors: Survivors
    running: MaskedVector


@dataclass(frozen=True)
class New:
    """The offers are not out yet."""


@dataclass(frozen=True)
class Resumed:
    """A coordinator died after durable point (a); `answers` are the stored unmask messages."""

    summed: Summed
    answers: Mapping[str, Unmask]


@dataclass(frozen=True)
class Advertising:
    """Phase ADVERTISE."""

    expected: tuple[str, ...]
    answers: Mapping[str, Message] = field(default_factory=dict)
    adverts: Mapping[str, Advert] = field(default_factory=dict)


@dataclass(frozen=True)
class Sharing:
    """Phase SHARE."""

    expected: tuple[str, ...]
    shown: Shown
    answers: Mapping[str, Message] = field(default_factory=dict)
    sealed: Mapping[str, Shares] = field(default_factory=dict)


@dataclass(frozen=True)
class Masking:
    """Phase MASK: one running vector, to which each masked vector is added as it comes."""

    expected: tuple[str, ...]
    shown: Shown
    running: MaskedVector
    answers: Mapping[str, Message] = field(default_factory=dict)


@dataclass(frozen=True)
class Persisting:
    """Phase PERSIST."""

    summed: Summed


@dataclass(frozen=True)
class Signing:
    """Phase CONSISTENCY. `unmasked`: answers that a coordinator before this one stored."""

    summed: Summed
    answers: Mapping[str, Message] = field(default_factory=dict)
    unmasked: Mapping[str, Unmask] = field(default_factory=dict)

    @property
    def expected(self) -> tuple[str, ...]:
        """The survivors."""
        return self.summed.survivors.sites


@dataclass(frozen=True)
class Unmasking:
    """Phase UNMASK."""

    summed: Summed
    answers: Mapping[str, Message] = field(default_factory=dict)
    unmasked: Mapping[str, Unmask] = field(default_factory=dict)

    @property
    def expected(self) -> tuple[str, ...]:
        """The survivors."""
        return self.summed.survivors.sites


@dataclass(frozen=True)
class Finished:
    """The sum is out."""


@dataclass(frozen=True)
class GivenUp:
    """There will be no sum."""


Collecting = Advertising | Sharing | Masking | Signing | Unmasking
CoordinatorState = New | Resumed | Collecting | Persisting | Finished | GivenUp

PHASES: Mapping[type[CoordinatorState], Phase] = {
    New: Phase.NEW,
    Resumed: Phase.NEW,
    Advertising: Phase.ADVERTISE,
    Sharing: Phase.SHARE,
    Masking: Phase.MASK,
    Persisting: Phase.PERSIST,
    Signing: Phase.CONSISTENCY,
    Unmasking: Phase.UNMASK,
    Finished: Phase.DONE,
    GivenUp: Phase.ABORTED,
}
