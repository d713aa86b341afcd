"""All that an agent may say, as closed types: hashes, codes, bounded numbers, ciphertext. No field takes free text.

Each kind knows the study that it belongs to, for the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.codes import RefusalCode
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_core.task import TaskId


@dataclass(frozen=True)
class SayHello:
    """The first message of a stream. `data`: (name, workload) of each declared dataset.

    `roster_simulated`: the roster was accepted unseen.
    """

    version: str
    device_class: str
    host_id: str
    data: tuple[tuple[str, str], ...]
    roster_hash: str
    store_epoch: int
    audit_sequence: int
    audit_head: str
    roster_simulated: bool = False

    @property
    def study(self) -> str:
        """None."""
        return ""


@dataclass(frozen=True)
class Beat:
    """Still here, and working on these tasks."""

    running: tuple[TaskId, ...] = ()

    @property
    def study(self) -> str:
        """None."""
        return ""


@dataclass(frozen=True)
class DecideRoster:
    """This site accepted a roster: its administrator, or its policy unseen where `simulated`."""

    roster_hash: str
    accepted: bool
    simulated: bool = False

    @property
    def study(self) -> str:
        """None."""
        return ""


@dataclass(frozen=True)
class DecideStudy:
    """The administrator's decision, signed by the site key."""

    study: str
    study_hash: str
    approved: bool
    code: RefusalCode
    signature: bytes


@dataclass(frozen=True)
class AnswerCheck:
    """The answer to a dry run. `schema_hash`: of the study's own schema where the data fits it, else empty."""

    check_id: str
    code: RefusalCode
    schema_hash: str

    @property
    def study(self) -> str:
        """None yet."""
        return ""


@dataclass(frozen=True)
class AcceptTask:
    """The task began."""

    task: TaskId

    @property
    def study(self) -> str:
        """Of the task."""
        return self.task.study_id


@dataclass(frozen=True)
class RefuseTask:
    """The task was not begun."""

    task: TaskId
    code: RefusalCode

    @property
    def study(self) -> str:
        """Of the task."""
        return self.task.study_id


@dataclass(frozen=True)
class FailTask:
    """The task was given up. `accused`: the site that dealt this one a wrong share, where that is why."""

    task: TaskId
    code: RefusalCode
    accused: str = ""

    @property
    def study(self) -> str:
        """Of the task."""
        return self.task.study_id


@dataclass(frozen=True)
class SealedMetrics:
    """A device's figures, sealed to the study key and signed inside; `sealing.seal` alone makes the bytes."""

    sealed: bytes


@dataclass(frozen=True)
class AnswerProbe:
    """What a device measured."""

    task: TaskId
    metrics: SealedMetrics

    @property
    def study(self) -> str:
        """Of the task."""
        return self.task.study_id


@dataclass(frozen=True)
class SendInSession:
    """One message of the secure sum, signed by the site key."""

    session_id: bytes
    message: Message
    study: str


@dataclass(frozen=True)
class AuditHead:
    """The signed head of the audit log."""

    sequence: int
    head: str
    signature: bytes

    @property
    def study(self) -> str:
        """None."""
        return ""


@dataclass(frozen=True)
class FetchArtifact:
    """Asks for an artifact by its hash."""

    sha256: str
    offset: int
    study: str


@dataclass(frozen=True, eq=False)
class UploadVector:
    """A masked vector with its signed header; a clear vector is another type and does not fit here."""

    session_id: bytes
    vector: MaskedVector
    header: Message
    study: str


@dataclass(frozen=True)
class RenewCertificate:
    """Asks for a new certificate in place of `certificate` (PEM).

    The request is made over a new key and names nobody.
    """

    certificate: bytes

    @property
    def study(self) -> str:
        """None."""
        return ""


StreamMessage = (
    SayHello
    | Beat
    | DecideRoster
    | DecideStudy
    | AnswerCheck
    | AcceptTask
    | RefuseTask
    | FailTask
    | AnswerProbe
    | SendInSession
    | AuditHead
)
"""What goes over the stream."""
Outgoing = StreamMessage | FetchArtifact | UploadVector | RenewCertificate
