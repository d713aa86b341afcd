"""A site's half of one session: a transition table and a small engine.

An event that does not belong in the state raises `IllegalEvent` and changes nothing. A message that belongs but must
not be followed ends the session here: its secrets are dropped, one `Aborted` says why, and nothing is ever sent after
it. What arrives after the end is ignored, because messages cross on the wire.

Two messages may be repeated, because a coordinator that restarts has to ask again: an identical survivor list, and
signatures over the list for which shares were already released. Both get the very same bytes again; a different list
aborts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autoglm_core.encoding import Malformed
from autoglm_core.privacy import site_steps
from autoglm_core.privacy.errors import IllegalEvent, Refused, UnknownSite, UnmaskIncomplete
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import MessageKind
from autoglm_core.privacy.roster import BadRoster, Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.shamir import Entropy
from autoglm_core.privacy.site_events import (
    Abort,
    Aborted,
    InputReady,
    Received,
    RecordRelease,
    SiteEvent,
    SiteInstruction,
    Start,
)
from autoglm_core.privacy.site_states import (
    ENDED,
    Advertised,
    Clear,
    GivenUp,
    Masked,
    New,
    Ready,
    Released,
    Shared,
    Signed,
    Site,
    SiteState,
)
from autoglm_core.privacy.spec_rules import check_spec

Trigger = type[SiteEvent] | MessageKind

TABLE: Mapping[tuple[type[SiteState], Trigger], Callable[[Site, Any, Any], site_steps.Step]] = {
    (New, Start): site_steps.start,
    (New, Abort): site_steps.give_up,
    (Clear, InputReady): site_steps.send_clear,
    (Clear, Abort): site_steps.give_up,
    (Advertised, MessageKind.ADVERTS): site_steps.share,
    (Advertised, InputReady): site_steps.keep_input,
    (Advertised, Abort): site_steps.give_up,
    (Shared, MessageKind.SHARES_FOR): site_steps.keep_shares,
    (Shared, InputReady): site_steps.keep_input,
    (Shared, Abort): site_steps.give_up,
    (Ready, InputReady): site_steps.mask_input,
    (Ready, Abort): site_steps.give_up,
    (Masked, MessageKind.SURVIVORS): site_steps.sign_survivors,
    (Masked, MessageKind.ACKNOWLEDGED): site_steps.finish,
    (Masked, Abort): site_steps.give_up,
    (Signed, MessageKind.SURVIVORS): site_steps.sign_again,
    (Signed, MessageKind.SIGNATURES): site_steps.release,
    (Signed, MessageKind.ACKNOWLEDGED): site_steps.finish,
    (Signed, Abort): site_steps.give_up,
    (Released, MessageKind.SURVIVORS): site_steps.sign_again,
    (Released, MessageKind.SIGNATURES): site_steps.release_again,
    (Released, MessageKind.ACKNOWLEDGED): site_steps.finish,
    (Released, Abort): site_steps.give_up,
}


class SiteSession:
    """One site, one session.

    Args:
        spec: what the coordinator proposes.
        roster: what this site's administrator accepted.
        site_id: this site.
        key: this site's key; its public half must stand in the roster.
        entropy: n -> n bytes from the operating system.
        allow_unmasked: the administrator trusts the coordinator with clear vectors for this study.
        lowest_epoch: highest store epoch that this site has seen.
        earlier: releases that this site recorded for any of `spec.subjects` under `spec.purpose`.

    Raises:
        SpecRefused: the roster or the policy does not bear the spec out.
        UnknownSite: this site is not of the cohort.
        BadRoster: the roster holds another key for this site.
        UnmaskIncomplete: an earlier release cannot be repeated with this cohort.
    """

    def __init__(
        self,
        spec: SessionSpec,
        roster: Roster,
        site_id: str,
        key: SiteKey,
        *,
        entropy: Entropy,
        allow_unmasked: bool = False,
        lowest_epoch: int = 0,
        earlier: Sequence[RecordRelease] = (),
    ) -> None:
        check_spec(spec, roster, allow_unmasked=allow_unmasked, lowest_epoch=lowest_epoch)
        if site_id not in spec.cohort:
            raise UnknownSite(site=site_id)
        if roster.key(site_id) != key.public:
            raise BadRoster(field="sites", reason="another key stands for this site; propose a roster with its own")
        if any(not set(release.survivors) <= set(spec.cohort) for release in earlier):
            raise UnmaskIncomplete
        self._me = Site(spec, roster, site_id, key, entropy, tuple(earlier))
        self._state: SiteState = New()

    @property
    def spec(self) -> SessionSpec:
        """What the session is about."""
        return self._me.spec

    @property
    def state(self) -> str:
        """Name of the state: that of a class in `site_states`."""
        return type(self._state).__name__

    @property
    def ended(self) -> bool:
        """Nothing more will happen here."""
        return isinstance(self._state, ENDED)

    def handle(self, event: SiteEvent) -> list[SiteInstruction]:
        """Take one event; carry the instructions out in order.

        Raises:
            IllegalEvent: `event` does not belong in this state; nothing changed.
            WrongVector: the input does not have the spec's layout; nothing changed.
        """
        trigger: Trigger = event.message.kind if isinstance(event, Received) else type(event)
        if self.ended and trigger is not Start:
            return []
        step = TABLE.get((type(self._state), trigger))
        if step is None:
            name = trigger.label if isinstance(trigger, MessageKind) else trigger.__name__
            raise IllegalEvent(state=self.state, event=name)
        try:
            self._state, instructions = step(self._me, self._state, event)
        except (Refused, Malformed) as error:
            self._state, instructions = GivenUp(), [Aborted(error.code, error.data)]
        return instructions
