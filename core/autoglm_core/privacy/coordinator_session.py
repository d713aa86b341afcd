"""The coordinator's half of one session: a transition table and a small engine.

An event that does not belong in the phase raises `IllegalEvent`, a site's message that must not be followed raises a
`Refused`; neither changes anything. What belongs to a phase that is over, or comes from a lost site, is dropped: the
masked vector of a site that was declared dead must never be added, because the shares of its mask key may be out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from autoglm_core.privacy import coordinator_steps as steps
from autoglm_core.privacy.checkpoint import decode_record
from autoglm_core.privacy.coordinator_checks import Desk
from autoglm_core.privacy.coordinator_events import (
    CoordinatorEvent,
    CoordinatorInstruction,
    Deadline,
    MaskedArrived,
    Opened,
    Persisted,
    Received,
    SiteLost,
)
from autoglm_core.privacy.coordinator_states import (
    PHASES,
    Advertising,
    Answer,
    Collecting,
    CoordinatorState,
    Finished,
    GivenUp,
    Masking,
    New,
    Persisting,
    Phase,
    Resumed,
    Sharing,
    Signing,
    Unmasking,
)
from autoglm_core.privacy.errors import IllegalEvent, UnknownSite
from autoglm_core.privacy.masks import Parallel
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.spec_rules import check_spec
from autoglm_core.privacy.vectors import MaskedVector

__all__ = ["CoordinatorSession", "Phase"]

Trigger = type[CoordinatorEvent] | MessageKind

TABLE: Mapping[tuple[type[CoordinatorState], Trigger], Callable[[steps.Coordinator, Any, Any], steps.Step]] = {
    (New, Opened): steps.open_session,
    (Resumed, Opened): steps.reopen,
    (Advertising, MessageKind.ADVERT): steps.advertised,
    (Advertising, SiteLost): steps.lose,
    (Advertising, Deadline): steps.end_phase,
    (Sharing, MessageKind.SHARES): steps.shared,
    (Sharing, SiteLost): steps.lose,
    (Sharing, Deadline): steps.end_phase,
    (Masking, MaskedArrived): steps.masked,
    (Masking, SiteLost): steps.lose,
    (Masking, Deadline): steps.end_phase,
    (Persisting, Persisted): steps.persisted,
    (Persisting, SiteLost): steps.lose_while_persisting,
    (Persisting, Deadline): steps.keep_persisting,
    (Signing, MessageKind.SURVIVOR_SIGNATURE): steps.statement_signed,
    (Signing, SiteLost): steps.lose,
    (Signing, Deadline): steps.end_phase,
    (Unmasking, MessageKind.UNMASK): steps.released,
    (Unmasking, SiteLost): steps.lose,
    (Unmasking, Deadline): steps.end_phase,
}

ENDED = (Finished, GivenUp)

OVER: Mapping[type[CoordinatorState], frozenset[Trigger]] = {
    Sharing: frozenset({MessageKind.ADVERT}),
    Masking: frozenset({MessageKind.ADVERT, MessageKind.SHARES}),
    Persisting: frozenset({MessageKind.ADVERT, MessageKind.SHARES, MaskedArrived}),
    Signing: frozenset({MessageKind.ADVERT, MessageKind.SHARES, MaskedArrived, MessageKind.UNMASK}),
    Unmasking: frozenset({MessageKind.ADVERT, MessageKind.SHARES, MaskedArrived, MessageKind.SURVIVOR_SIGNATURE}),
}
"""What may still arrive for a phase that is over; it is dropped.

Over for a coordinator before this one too: shares on their way when it died reach its successor among the signatures,
and are asked for again.
"""


class CoordinatorSession:
    """One session over one cohort.

    Args:
        spec: what was offered to the sites.
        roster: the version that the study runs under.
        parallel: like `map`; an executor's `map` spreads the removal of masks over its threads.
        parts: how many parts the vector is split into for that.

    Raises:
        SpecRefused: no site would accept `spec`.
    """

    def __init__(self, spec: SessionSpec, roster: Roster, *, parallel: Parallel = map, parts: int = 1) -> None:
        check_spec(spec, roster, allow_unmasked=True)
        self._me = steps.Coordinator(spec, roster, Desk(spec, roster), parallel, parts)
        self._state: CoordinatorState = New()

    @classmethod
    def resume(
        cls,
        spec: SessionSpec,
        roster: Roster,
        *,
        record: bytes,
        running: MaskedVector,
        unmasked: Iterable[tuple[str, Message]] = (),
        parallel: Parallel = map,
        parts: int = 1,
    ) -> CoordinatorSession:
        """A session whose coordinator died after durable point (a); feed `Opened`, then `SiteLost` for who is gone.

        `record`, `running`: from `PersistSurvivors`; `running` must be writable. `unmasked`: (site, message) from
        every `PersistShare`.

        Raises:
            Malformed: the record is damaged.
            Refused: what was stored does not belong to `spec`.
            WrongVector: `running` does not have the spec's layout.
        """
        session = cls(spec, roster, parallel=parallel, parts=parts)
        summed = decode_record(record, spec=spec, roster=roster, running=running)
        stored = {}
        for site, message in unmasked:
            body = session._me.desk.unmask(site, message, summed=summed)
            session._me.desk.require_true_shares(body, summed=summed)
            stored[site] = Answer(message, body)
        session._state = Resumed(summed, stored)
        return session

    @property
    def spec(self) -> SessionSpec:
        """What the session is about."""
        return self._me.spec

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return PHASES[type(self._state)]

    @property
    def waiting(self) -> tuple[str, ...]:
        """Sites whose answer the phase waits for."""
        return self._state.waiting if isinstance(self._state, Collecting) else ()

    def handle(self, event: CoordinatorEvent) -> list[CoordinatorInstruction]:
        """Take one event; carry the instructions out in order.

        Raises:
            IllegalEvent: `event` does not belong in this phase. Refused, Malformed, WrongVector: a site's message
            must not be followed. Nothing changed in any of these cases.
        """
        if isinstance(event, Received | MaskedArrived | SiteLost) and event.site_id not in self.spec.cohort:
            raise UnknownSite(site=event.site_id)
        trigger: Trigger = event.message.kind if isinstance(event, Received) else type(event)
        if isinstance(self._state, ENDED) and trigger is not Opened:
            return []
        if trigger in OVER.get(type(self._state), ()):
            return []
        step = TABLE.get((type(self._state), trigger))
        if step is None:
            name = trigger.label if isinstance(trigger, MessageKind) else trigger.__name__
            raise IllegalEvent(state=self.phase, event=name)
        self._state, instructions = step(self._me, self._state, event)
        return instructions
