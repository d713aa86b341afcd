"""What the store remembers, as frozen records. Instants are UTC with a time zone; hashes are 64 hexadecimal digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from autoglm_core.canonical import Json
from autoglm_core.identity import Role
from autoglm_core.training_cost import NO_COST, TrainingCost


@dataclass(frozen=True)
class AgentRecord:
    """An enrolled agent. `site_key`: Ed25519 public key, empty for a device without data.

    `facts`: what it last said of itself (kind, device class, data, version, host), replaced as a whole.
    """

    agent_id: str
    name: str
    site_key: bytes
    joined: datetime
    revoked: datetime | None = None
    facts: Json = field(default_factory=dict)


@dataclass(frozen=True)
class TokenRecord:
    """A join token at rest: the hash of its secret, whom it is for and until when."""

    hash: str
    name: str
    role: Role
    expires: datetime


@dataclass(frozen=True)
class CertificateRecord:
    """A certificate that was issued. `identity`: its SPIFFE id; `serial`: hexadecimal."""

    serial: str
    identity: str
    issued: datetime
    expires: datetime


@dataclass(frozen=True)
class RosterRecord:
    """A version of the roster; `body` as signed and hashed."""

    version: int
    hash: str
    body: bytes


class StudyState(StrEnum):
    """Where a study stands; the last three are final."""

    AWAITING_APPROVAL = "awaiting-approval"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return not STUDY_TRANSITIONS[self]


STUDY_TRANSITIONS: Mapping[StudyState, frozenset[StudyState]] = {
    StudyState.AWAITING_APPROVAL: frozenset({StudyState.RUNNING, StudyState.STOPPED, StudyState.FAILED}),
    StudyState.RUNNING: frozenset({StudyState.COMPLETED, StudyState.STOPPED, StudyState.FAILED}),
    StudyState.COMPLETED: frozenset(),
    StudyState.STOPPED: frozenset(),
    StudyState.FAILED: frozenset(),
}


@dataclass(frozen=True)
class StudyRecord:
    """A submitted study. `body`: canonical JSON, of which `hash` is the SHA-256; `roster_hash`: the roster it keeps.

    `active`: time spent running, summed over restarts. `outcome`: why it ended, or what went wrong; empty while it
    lives.
    """

    study_id: str
    hash: str
    body: bytes
    roster_hash: str
    created: datetime
    state: StudyState = StudyState.AWAITING_APPROVAL
    active: timedelta = timedelta(0)
    outcome: Json = field(default_factory=dict)


@dataclass(frozen=True)
class DecisionRecord:
    """An administrator's answer to a study's hash. `code`: why not, of the closed list; `signature`: the site key's."""

    study_id: str
    agent_id: str
    approved: bool
    code: str
    signature: bytes


@dataclass(frozen=True)
class RoundRecord:
    """One committed round of one TUNE. `round` 0 is the initial model, of no session.

    `model`, `aggregator_state`: artifacts. `counters`: plain JSON values. `survivors`, `dropped`: site ids. `cost`:
    what training took at the survivors together, for `study_id`; apart from the counters, as no two runs cost the same.
    """

    tune_key: str
    round: int
    model: str
    aggregator_state: str | None
    counters: Json
    survivors: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    session_id: bytes = b""
    study_id: str = ""
    cost: TrainingCost = NO_COST


@dataclass(frozen=True)
class SessionRecord:
    """A session whose survivors are fixed, so that unmasking can be finished after a crash.

    `spec`, `record`: as encoded by the protocol. `running_sum`: SHA-256 of the masked sum over `survivors`; `place`:
    where it is kept. `unmask`: site id -> its unmasking message, as acknowledged so far.
    """

    session_id: bytes
    spec: bytes
    survivors: tuple[str, ...]
    running_sum: str
    place: int
    record: bytes
    unmask: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TrafficRecord:
    """What the sites of a session sent and received together: `bytes` of payload, both ways.

    `trial`: TUNE key, or empty.
    """

    session_id: bytes
    study_id: str
    trial: str
    round: int
    purpose: str
    bytes: int


@dataclass(frozen=True)
class BlameRecord:
    """A site broke the secure sum in a session. `code`: how, see `federation.blame`.

    `trial`: TUNE key, or empty. `readmitted`: when an operator let the site take part again.
    """

    session_id: bytes
    agent_id: str
    study_id: str
    trial: str
    round: int
    purpose: str
    code: str
    blamed: datetime
    readmitted: datetime | None = None


@dataclass(frozen=True)
class AuditHead:
    """The head of an agent's audit log, as its site key signed it."""

    sequence: int
    head: bytes
    signature: bytes
