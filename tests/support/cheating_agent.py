"""`autoglm-agent` of a site that breaks the secure sum in the second round of each TUNE, and is honest otherwise.

python cheating_agent.py CHEAT ARGUMENTS OF THE PROGRAM
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from enum import StrEnum

from autoglm_agent import session
from autoglm_agent.command_line import main
from autoglm_core.privacy.bodies import OpenShare, Unmask
from autoglm_core.privacy.messages import Message, MessageKind, signed
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.site_events import Received, Send, SiteEvent, SiteInstruction, Start
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.site_states import Advertised

ROUND = 2


class Cheat(StrEnum):
    """How."""

    DEALS_ANOTHER = "deals-another"
    """Every share opens its commitment, and together they are not what was advertised."""
    DEALS_WRONG = "deals-wrong"
    """What its peers open is not what it committed to."""
    ANSWERS_WRONG = "answers-wrong"
    """At the end it gives another share than it was dealt."""


class CheatingSession(SiteSession):
    """A site's half that lies where `cheat` says."""

    cheat: Cheat

    def handle(self, event: SiteEvent) -> list[SiteInstruction]:
        """As the honest half's, in every round but one."""
        if (self.spec.purpose, self.spec.round) != (Purpose.TRAIN, ROUND):
            return super().handle(event)
        deals = isinstance(event, Received) and event.message.kind is MessageKind.ADVERTS
        if self.cheat is Cheat.DEALS_WRONG and deals and isinstance(self._state, Advertised):
            # Once: what it trained may be there before the adverts are, and a share that is wrong twice is right.
            secrets = self._state.secrets
            wrong = {peer: off_by_one(share) for peer, share in secrets.seed_shares.items()}
            self._state = replace(self._state, secrets=replace(secrets, seed_shares=wrong))
        return [self._lie(instruction, event) for instruction in super().handle(event)]

    def _lie(self, instruction: SiteInstruction, event: SiteEvent) -> SiteInstruction:
        if self.cheat is Cheat.DEALS_ANOTHER and isinstance(event, Start):
            assert isinstance(self._state, Advertised)
            secrets = replace(self._state.secrets, seed=os.urandom(32))
            advert = signed(secrets.advert(self.spec, site_id=self._me.site_id), key=self._me.key)
            self._state = Advertised(secrets, advert)
            return Send(advert)
        if self.cheat is Cheat.ANSWERS_WRONG and isinstance(instruction, Send):
            return Send(self._answer(instruction.message))
        return instruction

    def _answer(self, message: Message) -> Message:
        if message.kind is not MessageKind.UNMASK:
            return message
        body = Unmask.decode(message.body)
        (dealer, kind, share), *others = body.shares
        return signed(replace(body, shares=((dealer, kind, off_by_one(share)), *others)), key=self._me.key)


def off_by_one(share: OpenShare) -> OpenShare:
    return OpenShare(share.y ^ 1, share.salt)


if __name__ == "__main__":
    CheatingSession.cheat = Cheat(sys.argv[1])
    for name, value in {"SiteSession": CheatingSession}.items():
        setattr(session, name, value)
    sys.exit(main(sys.argv[2:]))
