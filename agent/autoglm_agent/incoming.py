"""What the coordinator may say to an agent, decoded but not yet believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from autoglm_core.privacy.messages import Message
from autoglm_core.task import TaskId


@dataclass(frozen=True)
class Welcome:
    """The answer to hello. `study_key`: HPKE public key for sealed metrics; `roster`: canonical form or empty."""

    protocol: int
    deployment: str
    store_epoch: int
    heartbeat: timedelta
    roster: bytes
    study_key: bytes


@dataclass(frozen=True)
class RosterOffered:
    """A roster for the administrator to accept, in canonical form."""

    body: bytes


@dataclass(frozen=True)
class StudyOffered:
    """A study that wants an approval; `body` is its canonical JSON."""

    study_id: str
    body: bytes
    roster_hash: str


@dataclass(frozen=True)
class StudyOver:
    """The study ended: its child may go."""

    study_id: str


@dataclass(frozen=True)
class CheckAsked:
    """A dry run of a study."""

    check_id: str
    body: bytes


@dataclass(frozen=True)
class SessionOffered:
    """A session of the secure sum. `spec` and `manifest` as carried."""

    task: TaskId
    lease: timedelta
    spec: bytes
    manifest: bytes


@dataclass(frozen=True)
class ProbeOffered:
    """Models to be measured; `manifest` is canonical JSON."""

    task: TaskId
    lease: timedelta
    manifest: bytes


@dataclass(frozen=True)
class SessionReceived:
    """A message of a running session."""

    session_id: bytes
    message: Message


@dataclass(frozen=True)
class TaskCancelled:
    """The task's effects will not count any more."""

    task: TaskId


@dataclass(frozen=True)
class AuditKept:
    """The coordinator holds the audit head up to `sequence`."""

    sequence: int


@dataclass(frozen=True)
class CoordinatorDrains:
    """The coordinator goes down for about `away`."""

    away: timedelta


Incoming = (
    Welcome
    | RosterOffered
    | StudyOffered
    | StudyOver
    | CheckAsked
    | SessionOffered
    | ProbeOffered
    | SessionReceived
    | TaskCancelled
    | AuditKept
    | CoordinatorDrains
)
