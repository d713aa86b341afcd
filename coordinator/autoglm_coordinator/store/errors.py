"""What the store refuses, and why."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, Conflict, Denied, InvalidInput, Kind, NotFound


class StorageFull(AutoglmError):
    """The disk, a quota or a file size limit refused a write; everything acknowledged before is intact."""

    code = "storage-full"
    kind = Kind.EXHAUSTED

    def __init__(self) -> None:
        super().__init__(
            "the coordinator's disk refused a write (full, quota or size limit): free space there, then retry"
        )


class StorageFailed(AutoglmError):
    """The store could not be read or written for another reason than space."""

    code = "storage-failed"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("the coordinator's store failed: see its log")


class StoreClosed(AutoglmError):
    """The coordinator is going down."""

    code = "store-closed"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("the coordinator is shutting down: retry when it is back")


UNUSABLE = (StorageFull, StorageFailed, StoreClosed)
"""These say nothing about the work of whoever called: the same call passes once the store can be used again."""


class StoreInUse(Conflict):
    """Another process has this store open."""

    code = "store-in-use"

    def __init__(self) -> None:
        super().__init__("another coordinator has this store open: stop it first")


class StoreVersion(InvalidInput):
    """The store was written by another version of this program."""

    code = "store-version"

    def __init__(self, *, found: int, expected: int) -> None:
        super().__init__(
            f"the store has format {found}, this program reads {expected}: install the version that wrote it",
            found=found,
            expected=expected,
        )


class UnknownAgent(NotFound):
    """No agent has this id."""

    code = "unknown-agent"

    def __init__(self, *, agent_id: str) -> None:
        super().__init__(f"no agent has the id {agent_id}: `autoglm agents` lists them", agent_id=agent_id)


class NameTaken(Conflict):
    """An agent of this name is enrolled already."""

    code = "name-taken"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"an agent named {name} is enrolled: choose another name or revoke that one first", name=name)


class UnknownToken(Denied):
    """The secret matches no token of this deployment."""

    code = "unknown-token"

    def __init__(self) -> None:
        super().__init__("this deployment issued no such token: ask its operator for one")


class TokenUsed(Denied):
    """A token is good for one use."""

    code = "token-used"

    def __init__(self) -> None:
        super().__init__("this token was used already: ask the operator for a new one")


class TokenExpired(Denied):
    """A token is good for a limited time."""

    code = "token-expired"

    def __init__(self) -> None:
        super().__init__("this token has expired: ask the operator for a new one")


class RosterConflict(Conflict):
    """A roster version exists already with another content."""

    code = "roster-conflict"

    def __init__(self, *, version: int) -> None:
        super().__init__(
            f"roster version {version} exists with other content: propose the next version", version=version
        )


class UnknownRoster(NotFound):
    """No roster has this hash."""

    code = "unknown-roster"

    def __init__(self, *, roster_hash: str) -> None:
        super().__init__(f"no roster has the hash {roster_hash[:12]}", roster_hash=roster_hash)


class UnknownStudy(NotFound):
    """No study has this id."""

    code = "unknown-study"

    def __init__(self, *, study_id: str) -> None:
        super().__init__(f"no study has the id {study_id}: `autoglm status` lists them", study_id=study_id)


class StudyExists(Conflict):
    """A study of this id, or another submission under the same key, is stored already."""

    code = "study-exists"

    def __init__(self, *, study_id: str) -> None:
        super().__init__(f"study {study_id} is stored already with other content", study_id=study_id)


class IllegalStudyTransition(Conflict):
    """A study was asked to go where its state does not lead."""

    code = "illegal-study-transition"

    def __init__(self, *, study_id: str, state: str, asked: str) -> None:
        super().__init__(
            f"study {study_id} is {state} and cannot become {asked}", study_id=study_id, state=state, asked=asked
        )


class UnknownTrial(NotFound):
    """The study has no trial of this number."""

    code = "unknown-trial"

    def __init__(self, *, study_id: str, number: int) -> None:
        super().__init__(f"study {study_id} has no trial {number}", study_id=study_id, number=number)


class TrialConflict(Conflict):
    """A trial is stored with another configuration, or is final with another content."""

    code = "trial-conflict"

    def __init__(self, *, study_id: str, number: int) -> None:
        super().__init__(f"trial {number} of {study_id} is stored with other content", study_id=study_id, number=number)


class RoundAlreadyCommitted(Conflict):
    """A round counts once: it is stored with another content."""

    code = "round-already-committed"

    def __init__(self, *, round: int) -> None:
        super().__init__(f"round {round} is committed with other content", round=round)


class RoundGap(Conflict):
    """Rounds of one TUNE follow each other without a gap."""

    code = "round-gap"

    def __init__(self, *, expected: int, received: int) -> None:
        super().__init__(f"expected round {expected}, received {received}", expected=expected, received=received)


class UnknownSession(NotFound):
    """No session of this id is open."""

    code = "unknown-session"

    def __init__(self) -> None:
        super().__init__("no session of this id is open")


class SessionConflict(Conflict):
    """A session's survivors, or a site's share, are stored with another content."""

    code = "session-conflict"

    def __init__(self) -> None:
        super().__init__("this part of the session is stored with other content")


class AuditConflict(Conflict):
    """An agent's audit head goes back, or two heads claim one sequence."""

    code = "audit-conflict"

    def __init__(self, *, agent_id: str, stored: int, received: int) -> None:
        super().__init__(
            f"audit head {received} of {agent_id} contradicts the acknowledged head {stored}: compare with its log",
            agent_id=agent_id,
            stored=stored,
            received=received,
        )


class UnknownArtifact(NotFound):
    """No artifact has this content hash."""

    code = "unknown-artifact"

    def __init__(self, *, sha256: str) -> None:
        super().__init__(f"no artifact {sha256[:12]} is stored", sha256=sha256)


class BadArtifactName(InvalidInput):
    """An artifact is named by 64 lower-case hexadecimal digits, and by nothing else."""

    code = "bad-artifact-name"

    def __init__(self) -> None:
        super().__init__("an artifact is named by 64 lower-case hexadecimal digits")


class DamagedArtifact(AutoglmError):
    """A stored file no longer has the content that its name promises."""

    code = "damaged-artifact"
    kind = Kind.INTERNAL

    def __init__(self, *, sha256: str) -> None:
        super().__init__(
            f"artifact {sha256[:12]} is damaged on the coordinator's disk: restore or delete it", sha256=sha256
        )
