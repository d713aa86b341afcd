"""A site that a cheating coordinator attacks, and the ground on which they meet.

`MachineVictim` is `SiteSession` with real cryptography: fast, and its state shows. `AgentVictim` in `live_victim.py` is
the whole agent in a process of its own. Both meet the same scripts.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import pytest

from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.errors import IllegalEvent
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.roster import Roster, RosterSite
from autoglm_core.privacy.session_spec import Purpose, SessionSpec
from autoglm_core.task import Manifest
from support.agent_coordinator import weights
from support.agent_sites import PARAMETERS, make_spec, parameters_manifest, toy_study
from support.interference import CheatersWire, nothing
from support.secure_sum_wire import Deployment, Interfere, Wire, inputs_for

VICTIM = "site-b"
FAMILY = tuple(f"site-{letter}" for letter in "abcdefg")
FOUR = FAMILY[:4]
NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Round:
    """A session to be offered: `model` is what its manifest names."""

    spec: SessionSpec
    manifest: Manifest
    model: bytes

    def again(self, **changes: Any) -> Round:
        """The same in a new session."""
        fresh = {"session_id": os.urandom(32), "attempt": self.spec.attempt + 1, **changes}
        return replace(self, spec=replace(self.spec, **fresh))


class Ground:
    """Seven sites under one roster and one study; the attacker holds every private key but the victim's."""

    def __init__(self, victim: SiteKey) -> None:
        self.peers = {site: SiteKey.generate() for site in FAMILY if site != VICTIM}
        public = {VICTIM: victim.public, **{site: key.public for site, key in self.peers.items()}}
        self.roster = Roster(1, "test", tuple(RosterSite(site, site, public[site].raw) for site in FAMILY))
        self.study = toy_study()
        self._models = itertools.count(1)

    def round(self, cohort: Sequence[str] = FOUR, **changes: Any) -> Round:
        """A round over a model that was never sent before, as honest as the changes to its spec leave it."""
        return self.round_over(weights(next(self._models) / 128, PARAMETERS), cohort, **changes)

    def round_over(
        self,
        model: bytes,
        cohort: Sequence[str] = FOUR,
        *,
        purpose: Purpose = Purpose.TRAIN,
        listed: Mapping[str, Any] = NO_CHANGES,
        **changes: Any,
    ) -> Round:
        """The same over this model; `listed` changes the manifest, and the spec with it."""
        manifest = replace(parameters_manifest(model), **listed)
        spec, sites = make_spec(manifest, self.roster, self.study, purpose=purpose), len(cohort)
        honest = {
            "cohort": tuple(cohort),
            "threshold": self.roster.threshold(sites),
            "colluders": self.roster.colluders_for(sites),
            "levels": levels_for(sites, spec.ring_bits),
        }
        return Round(replace(spec, **{**honest, **changes}), manifest, model)


class Victim(Protocol):
    """`VICTIM` on some ground."""

    ground: Ground

    def wire(self, round: Round | None = None, interfere: Interfere = nothing, **fields: Any) -> Wire:
        """A session, not yet begun; the victim is shown what `interfere` makes of the honest messages.

        `fields`: as in `Wire`.
        """
        ...

    def play(self, wire: Wire, *, until: MessageKind | None = None) -> None:
        """From the offer to an outcome, or until the victim gave up, or said `until`."""
        ...

    def answer(self, wire: Wire, message: Message) -> Message | str:
        """What the victim says to one more message: a code where it gives up."""
        ...

    def ignores(self, wire: Wire, message: Message) -> None:
        """Show one more message that does not belong there: the victim stays as it is."""
        ...

    def word(self, code: str) -> str:
        """What the victim calls an abort with `code`."""
        ...

    def stays_silent(self, wire: Wire, *more: Message) -> None:
        """Assert that the victim answers none of the messages that it was shown, and none of `more`."""
        ...

    def gave_up(self, wire: Wire, code: str) -> None:
        """Assert that the victim ended with `code`, released nothing, and does nothing any more."""
        ...


def meets(
    victim: Victim,
    interfere: Interfere = nothing,
    *,
    round: Round | None = None,
    until: MessageKind | None = None,
    **fields: Any,
) -> Wire:
    """One session from its offer to its end, or until the victim said `until`."""
    wire = victim.wire(round, interfere, **fields)
    victim.play(wire, until=until)
    return wire


def refuses(victim: Victim, code: str, interfere: Interfere = nothing, **fields: Any) -> Wire:
    """Assert that the victim gives up with `code` when it meets `interfere`; what became of the session."""
    wire = meets(victim, interfere, **fields)
    victim.gave_up(wire, code)
    return wire


def only_to_victim(interfere: Interfere) -> Interfere:
    """The peers see what an honest coordinator shows them."""
    return lambda site, message: interfere(site, message) if site == VICTIM else message


def shown_to_victim(wire: Wire) -> list[Message]:
    """Everything that the victim was shown so far."""
    return [message for (site, _), message in wire.shown.items() if site == VICTIM]


class MachineVictim:
    """The victim's half of the protocol, with a memory of its releases for a ledger."""

    def __init__(self) -> None:
        self._key = SiteKey.generate()
        self.ground = Ground(self._key)
        self._releases: list[at_site.RecordRelease] = []

    def wire(self, round: Round | None = None, interfere: Interfere = nothing, **fields: Any) -> Wire:
        """As `Victim`."""
        spec = (round or self.ground.round()).spec
        return CheatersWire(
            Deployment(self.ground.roster, {**self.ground.peers, VICTIM: self._key}),
            spec,
            # Like training: the same manifest gives the same numbers.
            inputs_for(spec, seed=int(spec.manifest_hash[:8], 16)),
            interfere=only_to_victim(interfere),
            earlier={VICTIM: tuple(known for known in self._releases if set(known.models) & set(spec.subjects))},
            reported=spec.cohort,
            **fields,
        )

    def play(self, wire: Wire, *, until: MessageKind | None = None) -> None:
        """As `Victim`."""
        if until is None:
            wire.run()
        else:
            wire.begin()
            wire.settle()
            assert (VICTIM, until) in wire.messages
        self._releases += [release for site, release in wire.releases.items() if site == VICTIM]

    def answer(self, wire: Wire, message: Message) -> Message | str:
        """As `Victim`."""
        [*_, last] = wire.tell(VICTIM, at_site.Received(message))
        return wire.site_aborts[VICTIM] if isinstance(last, at_site.Aborted) else sent(last)

    def ignores(self, wire: Wire, message: Message) -> None:
        """As `Victim`."""
        state = wire.sites[VICTIM].state
        with pytest.raises(IllegalEvent):
            wire.sites[VICTIM].handle(at_site.Received(message))
        assert wire.sites[VICTIM].state == state

    def word(self, code: str) -> str:
        """As `Victim`."""
        return code

    def stays_silent(self, wire: Wire, *more: Message) -> None:
        """As `Victim`."""
        for message in (*shown_to_victim(wire), *more):
            assert wire.sites[VICTIM].handle(at_site.Received(message)) == []

    def gave_up(self, wire: Wire, code: str) -> None:
        """As `Victim`."""
        assert wire.site_aborts.get(VICTIM) == code
        assert VICTIM not in wire.releases
        assert (VICTIM, MessageKind.UNMASK) not in wire.messages
        self.stays_silent(wire)


def sent(instruction: at_site.SiteInstruction) -> Message:
    """The message that an instruction sends."""
    assert isinstance(instruction, at_site.Send | at_site.UploadMasked), instruction
    return instruction.message
