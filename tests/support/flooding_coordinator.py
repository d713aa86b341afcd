"""A coordinator that spoils every artifact it is asked for, and floods an agent's stream.

Built on the small one: mutual TLS, welcome and offers are honest, so that the agent listens.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from autoglm_agent.incoming import SessionOffered
from autoglm_protos.convert import task_to_wire
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import SmallCoordinator

LARGE = 3_900_000
"""Nearly the longest message."""
CHUNK = 512 * 1024

Spoil = Callable[[bytes, int], Iterable[pb.GetChunk]]


def _parts(data: bytes, offset: int) -> list[pb.GetChunk]:
    step = max(1, len(data) // 4)
    return [pb.GetChunk(data=data[at : at + step]) for at in range(offset, len(data), step)]


def honest(data: bytes, offset: int) -> Iterable[pb.GetChunk]:
    """As the product's coordinator, in four chunks."""
    return [pb.GetChunk(total=len(data)), *_parts(data, offset)]


def _reordered(*order: int) -> Spoil:
    def spoil(data: bytes, offset: int) -> Iterable[pb.GetChunk]:
        parts = _parts(data, offset)
        return [pb.GetChunk(total=len(data)), *(parts[place] for place in order)]

    return spoil


def _stops_and_grows(data: bytes, offset: int) -> Iterable[pb.GetChunk]:
    parts = _parts(data, offset)
    return [pb.GetChunk(total=len(data) + (1 if offset else 0)), *parts[:2]]


SPOILT: Mapping[str, Spoil] = {
    "announces all there is": lambda data, _: [pb.GetChunk(total=2**64 - 1, data=data)],
    "announces more than a child takes": lambda data, _: [pb.GetChunk(total=2**31 + 1)],
    "announces nothing": lambda data, _: [pb.GetChunk(), pb.GetChunk(data=data)],
    "sends without end": lambda data, _: itertools.chain(
        [pb.GetChunk(total=len(data))], itertools.repeat(pb.GetChunk(data=bytes(CHUNK)))
    ),
    "sends empty chunks": lambda data, _: itertools.chain(
        [pb.GetChunk(total=len(data))], itertools.repeat(pb.GetChunk())
    ),
    "repeats a chunk": _reordered(0, 0, 1, 2, 3),
    "one chunk for another": _reordered(0, 1, 1, 3),
    "swaps chunks": _reordered(1, 0, 2, 3),
    "flips a bit": lambda data, offset: honest(bytes([data[0] ^ 1]) + data[1:], offset),
    "goes on with another size": _stops_and_grows,
}


class FloodingCoordinator(SmallCoordinator):
    """`spoil`: what becomes of the next artifacts; `asked`: offsets that were asked for."""

    spoil: Spoil = staticmethod(honest)

    async def Get(self, request: pb.GetRequest, context: Any) -> AsyncIterator[pb.GetChunk]:
        """As `spoil` has it."""
        for chunk in self.spoil(self.artifacts[request.sha256], request.offset):
            yield chunk

    def offer(self, site: str, offer: SessionOffered) -> None:
        """Ask the agent to take part."""
        session = pb.SessionTask(spec=offer.spec, manifest=offer.manifest)
        message = pb.Offer(id=task_to_wire(offer.task), lease_seconds=offer.lease.total_seconds(), session=session)
        self.send(site, pb.CoordinatorMessage(offer=message))

    def ask(self, site: str, check_id: str, study: bytes) -> None:
        """Ask for a dry run."""
        self.send(site, pb.CoordinatorMessage(check=pb.CheckOffer(check_id=check_id, study=study)))

    def flood(self, site: str, session_id: bytes, *, messages: int) -> None:
        """Messages of a session, as long as can be, and rosters that are none."""
        junk = os.urandom(LARGE)
        for number in range(messages):
            named = session_id if number % 2 else bytes(32)
            session = pb.SessionMessage(session_id=named, kind=4, body=junk)
            self.send(site, pb.CoordinatorMessage(session=session))
            self.send(site, pb.CoordinatorMessage(roster=pb.Roster(body=junk)))
