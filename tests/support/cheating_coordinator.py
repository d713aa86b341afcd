"""A coordinator that says to one real agent whatever a test tells it to, over mutual TLS.

The agent's peers and the coordinator's own half of the protocol live in this process (`CheatersWire`): what they would
say to the agent goes out on its stream, and what the agent says comes back into them, each session apart.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from autoglm_agent.incoming import SessionOffered
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.canonical import digest
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_events import MaskedArrived, Received, SiteLost
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_protos.convert import session_message_from_wire, session_message_to_wire, task_to_wire
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import SmallCoordinator
from support.interference import CheatersWire


@dataclass(frozen=True)
class Declined:
    """The agent refused a task ("refused") or gave it up ("failed"), with a code of the closed list."""

    kind: str
    code: str


Said = Message | MaskedArrived | Declined


class CheatingCoordinator(SmallCoordinator):
    """`said`: by session id, in order; `digests`: SHA-256 of every recorded thing that came from the agent."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self.said_in: dict[bytes, asyncio.Queue[Said]] = defaultdict(asyncio.Queue)
        self.digests: list[str] = []
        self._specs: dict[bytes, SessionSpec] = {}
        self._offers: dict[int, SessionOffered] = {}

    def offer(self, site: str, offer: SessionOffered) -> None:
        """Ask the agent to take part."""
        spec = SessionSpec.decode(offer.spec)
        self._specs[spec.session_id] = spec
        self._offers[offer.task.sequence] = offer
        session = pb.SessionTask(spec=offer.spec, manifest=offer.manifest)
        message = pb.Offer(id=task_to_wire(offer.task), lease_seconds=offer.lease.total_seconds(), session=session)
        self.send(site, pb.CoordinatorMessage(offer=message))

    def cancel_all(self, site: str) -> None:
        """Tell the agent that every task is over."""
        for offer in self._offers.values():
            self.send(site, pb.CoordinatorMessage(cancel=pb.Cancel(id=task_to_wire(offer.task), code="over")))

    def say(self, site: str, session_id: bytes, message: Message) -> None:
        """Show the agent a message of a session."""
        self.send(site, pb.CoordinatorMessage(session=session_message_to_wire(session_id, message)))

    def take(self, site: str, message: pb.AgentMessage) -> None:
        """Sort what the agent says by session."""
        kind = message.WhichOneof("message")
        if kind not in ("heartbeat", "audit"):
            self.digests.append(digest(message.SerializeToString(deterministic=True)))
        match kind:
            case "session":
                self.said_in[message.session.session_id].put_nowait(session_message_from_wire(message.session))
            case "refused" | "failed":
                answer = getattr(message, kind)
                spec = SessionSpec.decode(self._offers[answer.id.sequence].spec)
                self.said_in[spec.session_id].put_nowait(Declined(kind, answer.code))
            case _:
                super().take(site, message)

    def take_vector(self, arrived: MaskedArrived, session_id: bytes) -> None:
        """As what is said on the stream."""
        self.digests.append(arrived.vector.sha256)
        self.said_in[session_id].put_nowait(arrived)

    def spec_of(self, session_id: bytes) -> SessionSpec | None:
        """Of any session that was ever offered: vectors are taken from whoever sends one."""
        return self._specs.get(session_id)


class LiveWire(CheatersWire):
    """A session in which the site without a key here is a real agent."""

    def __init__(self, coordinator: CheatingCoordinator, offer: SessionOffered, live: str, **fields: Any) -> None:
        self._coordinator, self._offer, self._live = coordinator, offer, live
        super().__init__(spec=SessionSpec.decode(offer.spec), **fields)

    def tell(self, site: str, event: at_site.SiteEvent) -> list[at_site.SiteInstruction]:
        """To the agent over the network, to its peers directly."""
        if site != self._live:
            return super().tell(site, event)
        match event:
            case at_site.Start():
                self._coordinator.offer(site, self._offer)
            case at_site.Received(message):
                self._coordinator.say(site, self.spec.session_id, message)
        return []

    async def hear(self) -> Said:
        """The next thing that the agent says, and what follows from it among the others."""
        said = await self._coordinator.said_in[self.spec.session_id].get()
        match said:
            case Message():
                self._leave(self._live, said, Received(self._live, said), said.body + said.signature)
            case MaskedArrived():
                self.vectors[self._live] = said.vector
                self._leave(self._live, said.message, said, said.message.body)
            case Declined():
                self.site_aborts[self._live] = said.code
                if self.outcome is None:
                    self.feed(SiteLost(self._live))
        self.settle()
        return said

    @property
    def ended(self) -> bool:
        """There is an outcome, or the agent gave up."""
        return self.outcome is not None or self._live in self.site_aborts

    def heard(self, kind: MessageKind) -> bool:
        """Whether the agent said that."""
        return (self._live, kind) in self.messages
