"""Both halves of the secure sum wired in memory: no sockets, no clock, and every byte that left a site is kept.

A cheating coordinator is a function that changes what reaches a site (`interfere`); a dropout is a phase from which on
a site is silent. Entropy is seeded, so every run can be repeated.
"""

# ruff: noqa: S311 - seeded on purpose

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from random import Random
from typing import Any

import numpy as np

from autoglm_core.canonical import canonical_json
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import CoordinatorSession, Phase
from autoglm_core.privacy.errors import IllegalEvent
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.layout import VectorLayout
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.roster import Roster, RosterSite
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector, MaskedVector

DROPPABLE = (Phase.ADVERTISE, Phase.SHARE, Phase.MASK, Phase.CONSISTENCY, Phase.UNMASK)
SPEAKS_IN = {
    MessageKind.ADVERT: Phase.ADVERTISE,
    MessageKind.SHARES: Phase.SHARE,
    MessageKind.MASKED: Phase.MASK,
    MessageKind.SURVIVOR_SIGNATURE: Phase.CONSISTENCY,
    MessageKind.UNMASK: Phase.UNMASK,
}


@dataclass(frozen=True)
class Deployment:
    """A roster and the private keys of its sites."""

    roster: Roster
    keys: Mapping[str, SiteKey]

    @classmethod
    def of(cls, sites: int, *, minimum_cohort: int = 3, strangers: int = 0) -> Deployment:
        """`sites` sites s00, s01, ..., and as many `strangers` in the roster but in no cohort, sorted before them."""
        names = [f"a{index:02}" for index in range(strangers)] + [f"s{index:02}" for index in range(sites)]
        keys = {name: SiteKey.from_bytes(Random(name).randbytes(32)) for name in names}
        listed = tuple(RosterSite(name, name.title(), key.public.raw) for name, key in keys.items())
        return cls(Roster(1, "test", listed, minimum_cohort), keys)

    def spec(self, **changes: Any) -> SessionSpec:
        """A small training session over every s-site."""
        cohort = changes.pop("cohort", tuple(site.site_id for site in self.roster.sites if site.site_id[0] == "s"))
        tail = CounterLayout((CounterField("weight"), CounterField("loss", (2,), 1000.0)))
        spec = SessionSpec(
            suite=SUITE,
            roster_hash=self.roster.hash,
            cohort=cohort,
            threshold=self.roster.threshold(len(cohort)),
            minimum_cohort=self.roster.minimum_cohort,
            colluders=self.roster.colluders_for(len(cohort)),
            store_epoch=7,
            session_id=bytes(range(32)),
            study_id="heart-7f3a",
            study_hash="ab" * 32,
            trial="cd" * 32,
            round=4,
            attempt=1,
            purpose=Purpose.TRAIN,
            models=("ef" * 32,),
            manifest_hash="01" * 32,
            configuration=b"{}",
            workload="tabular-classification",
            workload_version=1,
            counters=canonical_json(tail.to_json()),
            parameters=5,
            dimension=5,
            clip=16.0,
            levels=levels_for(len(cohort), 32),
            ring_bits=32,
            weight_cap=1000,
        )
        if "parameters" in changes:
            changes.setdefault("dimension", changes["parameters"])
        return replace(spec, **changes)


def random_vector(layout: VectorLayout, seed: int) -> ClearVector:
    """Ring elements of every size, the largest included."""
    return ClearVector.from_bytes(layout, bytearray(Random(seed).randbytes(layout.byte_size)))


def inputs_for(spec: SessionSpec, *, seed: int = 0) -> dict[str, ClearVector]:
    """One vector per site."""
    return {site: random_vector(spec.layout, seed * 1000 + index) for index, site in enumerate(spec.cohort)}


def integer_sum(vectors: Sequence[ClearVector], layout: VectorLayout) -> tuple[list[int], list[int]]:
    """The sum with Python's integers, reduced once at the end: body and tail."""
    body = [sum(int(vector.body[i]) for vector in vectors) % 2**layout.body_bits for i in range(layout.body)]
    tail = [sum(int(vector.tail[i]) for vector in vectors) % 2**64 for i in range(layout.tail)]
    return body, tail


def result_sum(result: at_coordinator.SumResult) -> tuple[list[int], list[int]]:
    """What came out, in the same form."""
    return [int(value) for value in result.body_sum], [int(value) for value in result.tail_sum.view(np.uint64)]


Interfere = Callable[[str, Message], Message | None]
Step = Callable[[], object]


class Where(Enum):
    """What can make a step that is under way come to nothing."""

    NETWORK = auto()
    SITE = auto()
    COORDINATOR = auto()


@dataclass(frozen=True)
class Pending:
    """A step that is under way: a message on the network, or something that happens inside one side."""

    site: str
    step: Step
    where: Where = Where.NETWORK


@dataclass
class Wire:
    """One session. `drops`: from which phase on a site is silent; `interfere`: what a site is shown instead."""

    deployment: Deployment
    spec: SessionSpec
    inputs: Mapping[str, ClearVector]
    drops: Mapping[str, Phase] = field(default_factory=dict)
    interfere: Interfere = lambda _, message: message
    site_specs: Mapping[str, SessionSpec] = field(default_factory=dict)
    seed: int = 0
    reported: Collection[str] = ()
    """Silent sites that are reported as lost when they ought to speak; the others' phase ends at its deadline."""
    late: Collection[str] = ()
    """Silent sites that do speak in the end, after they were declared lost."""
    duplicates: float = 0.0
    """How likely it is that a message is delivered once more, after others."""
    late_input: bool = True
    """Inputs come after the shares; otherwise before."""
    earlier: Mapping[str, tuple[at_site.RecordRelease, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.coordinator = CoordinatorSession(self.spec, self.deployment.roster)
        self.sites = {site: self._site(site) for site in self.spec.cohort if site in self.deployment.keys}
        self.outcome: at_coordinator.Completed | at_coordinator.Aborted | None = None
        self.left: dict[str, list[bytes]] = {site: [] for site in self.spec.cohort}
        self.messages: dict[tuple[str, MessageKind], Message] = {}
        self.vectors: dict[str, MaskedVector] = {}
        self.site_aborts: dict[str, str] = {}
        self.releases: dict[str, at_site.RecordRelease] = {}
        self.shown: dict[tuple[str, MessageKind], Message] = {}
        self.blamed: list[str] = []
        self.stored: at_coordinator.PersistSurvivors | None = None
        self.stored_running = b""
        self.stored_shares: list[tuple[str, Message]] = []
        self.persists = True
        self.order = Random(self.seed)
        self.pending: deque[Pending] = deque()
        self._held: dict[str, Step] = {}
        self._delivered: set[tuple[str, Message]] = set()

    def _site(self, site: str) -> SiteSession:
        return SiteSession(
            self.site_specs.get(site, self.spec),
            self.deployment.roster,
            site,
            self.deployment.keys[site],
            entropy=Random(f"{self.seed}/{site}").randbytes,
            allow_unmasked=not self.spec.masked,
            earlier=self.earlier.get(site, ()),
        )

    def run(self) -> at_coordinator.Completed | at_coordinator.Aborted:
        """Until the coordinator has an outcome and nothing is under way."""
        self.begin()
        self.settle()
        while self.outcome is None:
            self._end_phase()
            self.settle()
        return self.outcome

    def _end_phase(self) -> None:
        """The deadline, once nothing is under way: a session that waits for nobody, or goes on waiting, hangs."""
        coordinator, phase = self.coordinator, self.coordinator.phase
        assert coordinator.waiting, f"hangs in {phase}: nobody is waited for"
        self.feed(at_coordinator.Deadline())
        assert self.coordinator is not coordinator or coordinator.phase is not phase, f"hangs in {phase}"
        for site in list(self._held):
            self._send_held(site)

    def begin(self) -> None:
        """Offers are out, sites start."""
        self.feed(at_coordinator.Opened())
        for site in self.spec.cohort:
            self.tell(site, at_site.Start())
            if not self.late_input or not self.spec.masked:
                self.tell(site, at_site.InputReady(self.inputs[site]))

    def settle(self) -> None:
        """Deliver until nothing is under way, in an order that the seed chooses."""
        while self.pending:
            self.pending.rotate(self.order.randrange(len(self.pending)))
            self._take(self.pending.popleft())

    def _take(self, pending: Pending) -> None:
        """One step; of a message, perhaps not for the last time."""
        pending.step()
        if pending.where is Where.NETWORK and self.order.random() < self.duplicates:
            self.pending.append(pending)

    def tell(self, site: str, event: at_site.SiteEvent) -> list[at_site.SiteInstruction]:
        """One event at a site, and what follows from it."""
        instructions = self.sites[site].handle(event)
        for instruction in instructions:
            self._carry_out(site, instruction)
        if self.sites[site].state == "Ready" and self.late_input:
            return instructions + self.tell(site, at_site.InputReady(self.inputs[site]))
        return instructions

    def feed(self, event: at_coordinator.CoordinatorEvent) -> list[at_coordinator.CoordinatorInstruction]:
        """One event at the coordinator, and what follows from it."""
        instructions = self.coordinator.handle(event)
        for instruction in instructions:
            self._obey(instruction)
        return instructions

    def _obey(self, instruction: at_coordinator.CoordinatorInstruction) -> None:
        match instruction:
            case at_coordinator.SendTo(site_id=site, message=message):
                self._relay(site, message)
            case at_coordinator.PersistSurvivors():
                self.stored, self.stored_running = instruction, instruction.running_sum.to_bytes()
                self._survivors_stored()
            case at_coordinator.PersistShare(site_id=site, message=message):
                self.stored_shares.append((site, message))
            case at_coordinator.Blamed(site_id=site):
                self.blamed.append(site)
            case at_coordinator.Completed() | at_coordinator.Aborted():
                assert self.outcome is None, "two outcomes"
                self.outcome = instruction

    def _survivors_stored(self) -> None:
        if self.persists:
            self.feed(at_coordinator.Persisted())

    def _relay(self, site: str, message: Message) -> None:
        shown = self.interfere(site, message)
        if shown is not None:
            self.shown[site, shown.kind] = shown
            self.pending.append(Pending(site, lambda: self._deliver(site, shown)))

    def _deliver(self, site: str, message: Message) -> None:
        try:
            self.tell(site, at_site.Received(message))
        except IllegalEvent:
            # As an agent does; only what came before may come out of turn.
            if (site, message) not in self._delivered:
                raise
        self._delivered.add((site, message))

    def _carry_out(self, site: str, instruction: at_site.SiteInstruction) -> None:
        match instruction:
            case at_site.Send(message=message):
                event: at_coordinator.CoordinatorEvent = at_coordinator.Received(site, message)
                self._leave(site, message, event, message.body + message.signature)
            case at_site.UploadMasked(vector=vector, message=message):
                self.vectors[site] = vector
                image = vector.to_bytes()
                arrived = at_coordinator.MaskedArrived(site, vector, message)
                self._leave(site, message, arrived, message.body + message.signature + image)
            case at_site.RecordRelease():
                self.releases[site] = instruction
            case at_site.Aborted(code=code):
                self.site_aborts[site] = code

    def _leave(self, site: str, message: Message, event: at_coordinator.CoordinatorEvent, data: bytes) -> None:
        phase = SPEAKS_IN[message.kind]
        silent_from = self.drops.get(site)
        silent = silent_from is not None and DROPPABLE.index(phase) >= DROPPABLE.index(silent_from)
        if silent and site in self.reported:
            self.pending.append(Pending(site, lambda: self._lose(site), Where.COORDINATOR))
        if silent and site not in self.late:
            return
        self.left[site].append(data)
        self.messages[site, message.kind] = message
        self._held[site] = lambda: self._arrive(event)
        if not silent:
            self._send_held(site)

    def _send_held(self, site: str) -> None:
        self.pending.append(Pending(site, self._held.pop(site)))

    def _lose(self, site: str) -> None:
        self.feed(at_coordinator.SiteLost(site))
        if site in self._held:
            self._send_held(site)

    def _arrive(self, event: at_coordinator.CoordinatorEvent) -> None:
        self.feed(event)


def completed(outcome: at_coordinator.Completed | at_coordinator.Aborted | None) -> at_coordinator.SumResult:
    """The sum, or a failed assertion that names the abort."""
    assert isinstance(outcome, at_coordinator.Completed), outcome
    return outcome.result
