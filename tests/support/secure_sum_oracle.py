"""What a session must end in: by the threshold rule of docs/secure-sum.md and sets of names, without the code.

Two of them. `demanded` needs only who drops in which phase. `Tally` is told, event by event, what reaches the
coordinator, for schedules in which a deadline may strike anyone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

PHASES = ("ADVERTISE", "SHARE", "MASK", "CONSISTENCY", "UNMASK")
"""The phases in which sites speak."""
UP_TO_THE_SUM = PHASES[:3]


@dataclass(frozen=True)
class Sum:
    """The exact sum over these sites."""

    survivors: frozenset[str]


@dataclass(frozen=True)
class TooFew:
    """The abort `too-few-sites`, in `phase`, with `left` sites where `needed` must be."""

    phase: str
    left: int
    needed: int


End = Sum | TooFew


def needed_in(phase: str, *, sites: int, minimum: int) -> int:
    """Sites that must still be able to answer: c = max(1, (n - 1) // 3), t = (n + c) // 2 + 1."""
    threshold = (sites + max(1, (sites - 1) // 3)) // 2 + 1
    return max(threshold, minimum) if phase in UP_TO_THE_SUM else threshold


def demanded(cohort: Iterable[str], drops: Mapping[str, str], *, minimum: int, reported: Collection[str] = ()) -> End:
    """The end of a session whose sites fall silent: `drops` says in which phase first.

    Sites in `reported` are declared lost one by one, so that the session ends with the first one too many; the
    others' silence is noticed together, when the phase is over.
    """
    names = frozenset(cohort)
    left = set(names)
    for phase in PHASES:
        needed = needed_in(phase, sites=len(names), minimum=minimum)
        silent = {site for site in names if drops.get(site) == phase}
        if len(left - silent.intersection(reported)) < needed:
            return TooFew(phase, needed - 1, needed)
        left -= silent
        if len(left) < needed:
            return TooFew(phase, len(left), needed)
    return Sum(frozenset(site for site in names if drops.get(site) not in UP_TO_THE_SUM))


class Tally:
    """Who answered, who is lost, and what that demands.

    A lost site's answer counts from MASK on, if it came before; before that nobody masks with a site that is gone.
    """

    def __init__(self, cohort: Iterable[str], *, minimum: int) -> None:
        self._cohort, self._minimum = frozenset(cohort), minimum
        self._expected, self._answered = self._cohort, frozenset[str]()
        self._lost, self._stored, self._survivors = frozenset[str](), frozenset[str](), frozenset[str]()
        self._phase, self._storing = PHASES[0], False
        self.end: End | None = None

    def answered(self, site: str, phase: str) -> None:
        """A site's message of `phase` arrived."""
        if phase == self._phase and not self._storing and site in self._expected - self._lost:
            self._answered |= {site}
            self._settle()

    def lost(self, site: str) -> None:
        """A site was declared lost."""
        self._lost |= {site}
        self._settle()

    def deadline(self) -> None:
        """Nobody is waited for any longer; a disk is no site."""
        if not self._storing:
            self._lost |= self._expected - self._answered
            self._settle()

    def durable(self) -> None:
        """Survivors and running sum are stored."""
        self._storing = False
        self._settle()

    def resumed(self, stored: Iterable[str]) -> None:
        """A new coordinator goes on from the stored sum and these sites' stored shares."""
        self._phase, self._storing, self.end = "CONSISTENCY", False, None
        self._expected, self._lost = self._survivors, frozenset()
        self._answered = self._stored = frozenset(stored)
        self._settle()

    @property
    def waiting(self) -> frozenset[str]:
        """Sites whose answer must be waited for."""
        nobody = self._storing or self.end is not None
        return frozenset() if nobody else self._expected - self._answered - self._lost

    def _settle(self) -> None:
        if self.end is not None or self._storing:
            return
        counted = self._answered - (self._lost if self._phase in UP_TO_THE_SUM[:2] else frozenset())
        waiting = self.waiting
        needed = needed_in(self._phase, sites=len(self._cohort), minimum=self._minimum)
        if len(counted | waiting) < needed:
            self.end = TooFew(self._phase, len(counted | waiting), needed)
        elif not waiting:
            self._advance(counted)

    def _advance(self, counted: frozenset[str]) -> None:
        if self._phase == PHASES[-1]:
            self.end = Sum(self._survivors)
            return
        if self._phase == "MASK":
            self._survivors, self._storing = counted, True
        if self._phase in UP_TO_THE_SUM:
            self._expected = counted
        self._answered = self._stored if self._phase == "CONSISTENCY" else frozenset()
        self._phase = PHASES[PHASES.index(self._phase) + 1]
        self._settle()
