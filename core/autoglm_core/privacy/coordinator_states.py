"""The phases of the coordinator's half; each state holds what its phase needs.

A collecting phase has `expected` sites and `answers`; it ends when everyone who is not lost has answered, or at the
deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Self, TypeVar

from autoglm_core.privacy.bodies import Advert, Masked, Shares, Survivors, SurvivorSignature, Unmask
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.vectors import MaskedVector

B = TypeVar("B")


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
class Answer(Generic[B]):
    """A checked message and its body."""

    message: Message
    body: B


@dataclass(frozen=True)
class New:
    """The offers are not out yet."""


@dataclass(frozen=True)
class Resumed:
    """A coordinator died after durable point (a); `stored`: the unmask messages that it had acknowledged."""

    summed: Summed
    stored: Mapping[str, Answer[Unmask]]


@dataclass(frozen=True, kw_only=True)
class Collecting(Generic[B]):
    """`lost` sites are not waited for, and whatever they still send is dropped."""

    expected: tuple[str, ...]
    answers: Mapping[str, Answer[B]] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Sites that may still answer."""
        return tuple(site for site in self.expected if site not in self.answers and site not in self.lost)

    @property
    def counted(self) -> tuple[str, ...]:
        """Sites whose answer is used."""
        return tuple(site for site in self.expected if site in self.answers)

    def answered(self, site: str, answer: Answer[B]) -> Self:
        """The state with one more answer."""
        return type(self)(**{**vars(self), "answers": {**self.answers, site: answer}})

    def without(self, *sites: str) -> Self:
        """The state with `sites` lost."""
        return type(self)(**{**vars(self), "lost": self.lost.union(sites)})


@dataclass(frozen=True, kw_only=True)
class Advertising(Collecting[Advert]):
    """Phase ADVERTISE."""

    @property
    def counted(self) -> tuple[str, ...]:
        """Without the lost: nobody masks with a site that is known to be gone."""
        return tuple(site for site in self.expected if site in self.answers and site not in self.lost)


@dataclass(frozen=True, kw_only=True)
class Sharing(Collecting[Shares]):
    """Phase SHARE."""

    shown: Shown

    @property
    def counted(self) -> tuple[str, ...]:
        """Without the lost: nobody masks with a site that is known to be gone."""
        return tuple(site for site in self.expected if site in self.answers and site not in self.lost)


@dataclass(frozen=True, kw_only=True)
class Masking(Collecting[Masked]):
    """Phase MASK: one running vector, to which each masked vector is added as it comes; a lost site's stays in."""

    shown: Shown
    running: MaskedVector


@dataclass(frozen=True)
class Persisting:
    """Phase PERSIST."""

    summed: Summed
    lost: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Signing(Collecting[SurvivorSignature]):
    """Phase CONSISTENCY. `stored`: unmask messages that a coordinator before this one acknowledged."""

    summed: Summed
    stored: Mapping[str, Answer[Unmask]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Unmasking(Collecting[Unmask]):
    """Phase UNMASK."""

    summed: Summed


@dataclass(frozen=True)
class Finished:
    """The sum is out."""


@dataclass(frozen=True)
class GivenUp:
    """There will be no sum."""


AnyCollecting = Advertising | Sharing | Masking | Signing | Unmasking
CoordinatorState = New | Resumed | AnyCollecting | Persisting | Finished | GivenUp

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
