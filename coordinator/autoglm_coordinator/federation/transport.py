"""The seam between federation and whatever carries its messages.

`Link` is one connected agent. Ours is a gRPC stream (`service/agents.py`); another transport implements `Link`,
delivers what it receives to the `Fleet`, and nothing above it changes. Messages are domain values; the wire's form of
them stays at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from autoglm_core.privacy.messages import Message
from autoglm_core.task import TaskId


@dataclass(frozen=True)
class AgentFacts:
    """Who is on the other end, as its certificate (`agent_id`) and its hello (the rest) say.

    `data`: declared datasets as (name, workload). `device_class` is empty for a site.
    """

    agent_id: str
    name: str
    kind: str
    host_id: str
    device_class: str
    data: tuple[tuple[str, str], ...]
    roster_hash: str
    version: str


@dataclass(frozen=True)
class OfferSession:
    """Take part in a session of the secure sum."""

    task: TaskId
    lease: timedelta
    spec: bytes
    manifest: bytes


@dataclass(frozen=True)
class OfferProbe:
    """Measure shapes. The manifest is canonical JSON."""

    task: TaskId
    lease: timedelta
    manifest: bytes


@dataclass(frozen=True)
class SessionSend:
    """A message of the secure sum."""

    session_id: bytes
    message: Message


@dataclass(frozen=True)
class CancelTask:
    """Give a task up; its effects will not count."""

    task: TaskId
    code: str


@dataclass(frozen=True)
class SendRoster:
    """The roster in force, for the administrator to accept."""

    body: bytes


@dataclass(frozen=True)
class OfferStudy:
    """A study that wants an administrator's yes."""

    study_id: str
    study: bytes
    roster_hash: str


@dataclass(frozen=True)
class EndStudy:
    """The study is over: its children and files may go."""

    study_id: str


@dataclass(frozen=True)
class OfferCheck:
    """A dry run."""

    check_id: str
    study: bytes


@dataclass(frozen=True)
class AcknowledgeAudit:
    """The coordinator holds the site's audit head up to `sequence`."""

    sequence: int


@dataclass(frozen=True)
class SendDrain:
    """The coordinator goes down for about this long."""

    seconds: int


Outgoing = (
    OfferSession
    | OfferProbe
    | SessionSend
    | CancelTask
    | SendRoster
    | OfferStudy
    | EndStudy
    | OfferCheck
    | AcknowledgeAudit
    | SendDrain
)


class Link(Protocol):
    """One connected agent."""

    @property
    def facts(self) -> AgentFacts:
        """Who it is."""
        ...

    def send(self, message: Outgoing) -> None:
        """Queue `message`; never blocks. A link that is gone drops it: the fleet reports the loss."""
        ...

    def close(self) -> None:
        """End the stream, for example after a revocation."""
        ...


@dataclass(frozen=True)
class AgentLost:
    """The stream of an agent ended."""

    agent_id: str


@dataclass(frozen=True)
class Declined:
    """An agent refused a task, or failed at it, with a code of the closed list.

    `accused`: the site that dealt it a wrong share, where that is why; else empty.
    """

    agent_id: str
    code: str
    accused: str = ""


@dataclass(frozen=True)
class Probed:
    """An agent's sealed measurement."""

    agent_id: str
    sealed: bytes
