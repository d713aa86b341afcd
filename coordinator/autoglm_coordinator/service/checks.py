"""A dry run: every agent says whether it would take part, and nothing is trained."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_coordinator.federation.transport import AgentLost, OfferCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoglm_coordinator.federation.fleet import Fleet
    from autoglm_coordinator.store.api import Store

ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class CheckAnswer:
    """`code`: "ok", "would-ask", or one of the closed list of refusals.

    `schema_hash`: what the site's own data declares.
    """

    agent_id: str
    code: str
    schema_hash: str


async def ask_agents(agents: Sequence[str], study: bytes, *, fleet: Fleet, store: Store) -> dict[str, CheckAnswer]:
    """Every connected agent's answer by id; whoever stays silent is left out."""
    sequence = await store.next_sequence()
    waiting = set()
    answers: dict[str, CheckAnswer] = {}
    until = asyncio.get_running_loop().time() + ANSWER_SECONDS
    with fleet.open_inbox(sequence, agents) as inbox:
        for agent_id in agents:
            link = fleet.link(agent_id)
            if link is not None:
                link.send(OfferCheck(str(sequence), study))
                waiting.add(agent_id)
        while waiting:
            event = await inbox.get(until)
            if event is None:
                break
            if isinstance(event, CheckAnswer):
                answers[event.agent_id] = event
            if isinstance(event, CheckAnswer | AgentLost):
                waiting.discard(event.agent_id)
    return answers
