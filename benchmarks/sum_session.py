"""Both halves of a session in one process, for benchmarks: no sockets, honest sites; what was stored is kept."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autoglm_core.canonical import canonical_json
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import CoordinatorSession
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.masks import Parallel
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.ring import levels_for, quantize, rounding_key
from autoglm_core.privacy.roster import Roster, RosterSite
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector

WEIGHT_CAP = 1000
DEPLOYMENT = "bench"


@dataclass(frozen=True)
class Party:
    """A roster and the keys of all its sites."""

    roster: Roster
    keys: dict[str, SiteKey]

    @classmethod
    def of(cls, sites: int) -> Party:
        """`sites` sites with new keys."""
        keys = {f"site-{index:03}": SiteKey.generate() for index in range(sites)}
        listed = tuple(RosterSite(site, site, key.public.raw) for site, key in keys.items())
        return cls(Roster(1, DEPLOYMENT, listed), keys)

    def spec(self, parameters: int, *, bits: int = 32, masked: bool = True) -> SessionSpec:
        """A training session of everyone over `parameters` parameters."""
        roster = self.roster
        cohort = tuple(site.site_id for site in roster.sites)
        return SessionSpec(
            suite=SUITE,
            roster_hash=roster.hash,
            cohort=cohort,
            threshold=roster.threshold(len(cohort)),
            minimum_cohort=roster.minimum_cohort,
            colluders=roster.colluders_for(len(cohort)),
            store_epoch=1,
            session_id=os.urandom(32),
            study_id="bench",
            study_hash="00" * 32,
            trial="",
            round=1,
            attempt=1,
            purpose=Purpose.TRAIN,
            models=("11" * 32,),
            manifest_hash="22" * 32,
            configuration=b"{}",
            workload="synthetic",
            workload_version=1,
            counters=canonical_json(CounterLayout((CounterField("weight"),)).to_json()),
            parameters=parameters,
            dimension=parameters,
            clip=1.0,
            levels=levels_for(len(cohort), bits),
            ring_bits=bits,
            weight_cap=WEIGHT_CAP,
            masked=masked,
        )

    def site(self, spec: SessionSpec, site: str) -> SiteSession:
        """One site's half of the session of `spec`."""
        return SiteSession(spec, self.roster, site, self.keys[site], entropy=os.urandom, allow_unmasked=not spec.masked)


def clear_vector(spec: SessionSpec, delta: np.ndarray[tuple[int], np.dtype[np.float32]], *, rows: int) -> ClearVector:
    """What a site with `rows` rows makes of its `delta`, before masks."""
    body, _ = quantize(delta, weight=rows, spec=spec, rounding_key=rounding_key(bytes(32), spec))
    return ClearVector(body=body, tail=np.full(spec.layout.tail, rows, np.uint64))


class Exchange:
    """One session. It stops where it needs a vector or where sites are given up: `upload` and `deadline` go on."""

    def __init__(self, party: Party, spec: SessionSpec) -> None:
        self.party, self.spec = party, spec
        self.sites = {site: party.site(spec, site) for site in spec.cohort}
        self.stored: at_coordinator.PersistSurvivors | None = None
        self.running = b""
        """The sum under masks, as stored at durable point (a)."""
        self.unmasked: list[tuple[str, Message]] = []
        self.result: at_coordinator.SumResult | None = None
        self._coordinator = CoordinatorSession(spec, party.roster)
        self._pending: deque[Callable[[], None]] = deque()
        self._feed(at_coordinator.Opened())
        for site in spec.cohort:
            self._tell(site, at_site.Start())
        self._settle()

    def upload(self, site: str, vector: ClearVector) -> None:
        """Mask `vector` at `site` and add it to the sum."""
        self.deliver(site, self.sites[site].handle(at_site.InputReady(vector)))

    def deliver(self, site: str, instructions: Iterable[at_site.SiteInstruction]) -> None:
        """What `site` sends reaches the coordinator, and everything that follows happens."""
        self._carry_out(site, instructions)
        self._settle()

    def deadline(self) -> None:
        """Whoever did not answer is given up."""
        self._feed(at_coordinator.Deadline())
        self._settle()

    def resumed(self, *, parallel: Parallel, parts: int) -> CoordinatorSession:
        """The coordinator as it takes the session up again from what it stored; `Opened` makes it open the sum."""
        assert self.stored is not None
        running = type(self.stored.running_sum).from_bytes(self.spec.layout, bytearray(self.running))
        return CoordinatorSession.resume(
            self.spec,
            self.party.roster,
            record=self.stored.record,
            running=running,
            unmasked=self.unmasked,
            parallel=parallel,
            parts=parts,
        )

    def _settle(self) -> None:
        while self._pending:
            self._pending.popleft()()

    def _tell(self, site: str, event: at_site.SiteEvent) -> None:
        self._carry_out(site, self.sites[site].handle(event))

    def _carry_out(self, site: str, instructions: Iterable[at_site.SiteInstruction]) -> None:
        for instruction in instructions:
            match instruction:
                case at_site.Send(message):
                    self._pending.append(partial(self._feed, at_coordinator.Received(site, message)))
                case at_site.UploadMasked(vector, message):
                    self._pending.append(partial(self._feed, at_coordinator.MaskedArrived(site, vector, message)))
                case at_site.Aborted(code):
                    raise RuntimeError(f"{site} gave up: {code}")

    def _feed(self, event: at_coordinator.CoordinatorEvent) -> None:
        for instruction in self._coordinator.handle(event):
            match instruction:
                case at_coordinator.SendTo(site, message):
                    self._pending.append(partial(self._tell, site, at_site.Received(message)))
                case at_coordinator.PersistSurvivors():
                    self.stored, self.running = instruction, instruction.running_sum.to_bytes()
                    self._pending.append(partial(self._feed, at_coordinator.Persisted()))
                case at_coordinator.PersistShare(site, message):
                    self.unmasked.append((site, message))
                case at_coordinator.Completed(result):
                    self.result = result
                case at_coordinator.Aborted(code):
                    raise RuntimeError(f"the session was aborted: {code}")


def with_bits(spec: SessionSpec, bits: int) -> SessionSpec:
    """`spec` over another ring."""
    return replace(spec, ring_bits=bits, levels=levels_for(len(spec.cohort), bits))
