"""The store's contract: the truth about everything that was acknowledged.

Every method that changes something returns when the change is on disk, and either all of it is there or nothing.
Methods are safe to call from many tasks at once; changes of many callers share one commit without sharing their
failures. A change that is stored already is accepted in silence when it is identical and refused by a typed error
when it is not, so that every caller may retry.

Any method may raise `StorageFull`, `StorageFailed` or `StoreClosed`; nothing acknowledged before is touched by that.
One contract suite (tests/contract/store_contract.py) runs over every implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from autoglm_coordinator.store.records import (
    STUDY_TRANSITIONS,
    AgentRecord,
    AuditHead,
    BlameRecord,
    CertificateRecord,
    DecisionRecord,
    RosterRecord,
    RoundRecord,
    SessionRecord,
    StudyRecord,
    StudyState,
    TokenRecord,
    TrafficRecord,
)
from autoglm_core.canonical import Json
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import Trial

__all__ = [
    "STUDY_TRANSITIONS",
    "AgentRecord",
    "ArtifactStore",
    "AuditHead",
    "BlameRecord",
    "BlameStore",
    "CertificateRecord",
    "DecisionRecord",
    "EnrolmentStore",
    "RosterRecord",
    "RoundRecord",
    "SessionRecord",
    "SessionStore",
    "Store",
    "StudyRecord",
    "StudyState",
    "StudyStore",
    "TokenRecord",
    "TrafficRecord",
    "TrafficStore",
    "TuneStore",
]


class EnrolmentStore(Protocol):
    """Agents, tokens, certificates, revocations, rosters, audit heads."""

    async def put_agent(self, agent: AgentRecord) -> None:
        """Enrol an agent. Raises `NameTaken` while an agent of that name is not revoked."""
        ...

    async def describe_agent(self, agent_id: str, facts: Json) -> None:
        """Replace what the agent said of itself. Raises `UnknownAgent`."""
        ...

    async def get_agent(self, agent_id: str) -> AgentRecord:
        """Raises `UnknownAgent`."""
        ...

    async def list_agents(self) -> list[AgentRecord]:
        """Every agent that ever joined, by name."""
        ...

    async def revoke_agent(self, agent_id: str, identity: str, now: datetime) -> None:
        """Revoke the agent and its identity for good. Raises `UnknownAgent`."""
        ...

    async def revoke_identity(self, identity: str, now: datetime) -> None:
        """No certificate of this SPIFFE id counts any more."""
        ...

    async def revocations(self) -> frozenset[str]:
        """Revoked SPIFFE ids."""
        ...

    async def add_token(self, token: TokenRecord) -> None:
        """Remember a token by the hash of its secret."""
        ...

    async def use_token(self, token_hash: str, now: datetime) -> TokenRecord:
        """Consume a token. Raises `UnknownToken`, `TokenUsed` or `TokenExpired`."""
        ...

    async def enrol(
        self, token_hash: str, certificate: CertificateRecord, *, agent: AgentRecord | None, now: datetime
    ) -> None:
        """`use_token`, `put_agent` (none for an operator) and `put_certificate` in one: all or nothing."""
        ...

    async def find_token(self, token_hash: str, now: datetime) -> TokenRecord:
        """As `use_token`, but leaves the token unused."""
        ...

    async def put_certificate(self, certificate: CertificateRecord) -> None:
        """Remember that a certificate was issued."""
        ...

    async def certificates(self, identity: str) -> list[CertificateRecord]:
        """What was issued to a SPIFFE id, oldest first."""
        ...

    async def put_roster(self, roster: RosterRecord) -> None:
        """Add a version. Raises `RosterConflict`."""
        ...

    async def latest_roster(self) -> RosterRecord | None:
        """The highest version."""
        ...

    async def get_roster(self, roster_hash: str) -> RosterRecord:
        """Raises `UnknownRoster`."""
        ...

    async def accept_roster(self, roster_hash: str, agent_id: str, now: datetime, *, simulated: bool) -> None:
        """A site accepted: its administrator, or unseen where `simulated`. Raises `UnknownRoster` or `UnknownAgent`."""
        ...

    async def roster_acceptances(self, roster_hash: str) -> Mapping[str, bool]:
        """Agent ids that accepted -> whether unseen."""
        ...

    async def put_audit_head(self, agent_id: str, head: AuditHead) -> None:
        """Acknowledge a head. Raises `AuditConflict` where it goes back or forks, `UnknownAgent`."""
        ...

    async def audit_head(self, agent_id: str) -> AuditHead | None:
        """The last one acknowledged."""
        ...


class StudyStore(Protocol):
    """Studies, administrators' decisions, trials, and the sampler's state beside them."""

    async def put_study(self, study: StudyRecord, *, idempotency_key: str) -> StudyRecord:
        """Store a submission; a second one under the same key and hash returns the first. Raises `StudyExists`."""
        ...

    async def get_study(self, study_id: str) -> StudyRecord:
        """Raises `UnknownStudy`."""
        ...

    async def list_studies(self) -> list[StudyRecord]:
        """Oldest first."""
        ...

    async def set_study_state(self, study_id: str, state: StudyState, *, outcome: Json | None = None) -> None:
        """Move on along STUDY_TRANSITIONS; the state it has already is no change. Raises `IllegalStudyTransition`."""
        ...

    async def add_study_time(self, study_id: str, active: timedelta) -> None:
        """Add to the time spent running. Raises `UnknownStudy`."""
        ...

    async def put_decision(self, decision: DecisionRecord) -> None:
        """An administrator's latest word; replaces an earlier one. Raises `UnknownStudy` or `UnknownAgent`."""
        ...

    async def list_decisions(self, study_id: str) -> list[DecisionRecord]:
        """By agent id."""
        ...

    async def put_trials(self, study_id: str, trials: Sequence[Trial], *, sampler_state: Json | None = None) -> None:
        """Add new trials together with the state of the sampler that suggested them. Raises `TrialConflict`."""
        ...

    async def sampler_state(self, study_id: str) -> Json | None:
        """As last given to `put_trials`."""
        ...

    async def update_trial(self, study_id: str, trial: Trial) -> None:
        """`update_trials` with one."""
        ...

    async def update_trials(self, study_id: str, trials: Sequence[Trial]) -> None:
        """Replace trials, all or none. A final trial never changes, and no trial its configuration.

        Raises:
            UnknownTrial: it was never put.
            TrialConflict: final with other content, or of another configuration.
            IllegalTransition: the state does not lead there.
        """
        ...

    async def list_trials(self, study_id: str) -> list[Trial]:
        """By number."""
        ...


class TuneStore(Protocol):
    """The stage cache and the rounds of every TUNE."""

    async def get_stage(self, key: str) -> Json | None:
        """What the stage of this content key yielded."""
        ...

    async def put_stage(self, kind: str, key: str, result: Json, *, session_id: bytes | None = None) -> Json:
        """Remember a result and close the session it came from; the first one stays and is returned."""
        ...

    async def put_stages(self, kind: str, results: Mapping[str, Json], *, session_id: bytes) -> None:
        """Remember every result of one session, by key, and close it in the same commit; stored ones stay."""
        ...

    async def latest_round(self, tune_key: str) -> RoundRecord | None:
        """The last committed round."""
        ...

    async def rounds(self, tune_key: str) -> list[RoundRecord]:
        """Every committed round, in order."""
        ...

    async def study_cost(self, study_id: str) -> TrainingCost:
        """Of all rounds that were committed for a study, of TUNEs that did not end too."""
        ...

    async def commit_round(self, record: RoundRecord) -> None:
        """Count a round: weights, aggregator state and counters together; its session is closed by the same commit.

        Raises:
            UnknownArtifact: the weights or the state are not stored.
            RoundAlreadyCommitted: with other content.
            RoundGap: the round before is missing.
        """
        ...


class SessionStore(Protocol):
    """Sessions of the secure sum past the point where their survivors are fixed."""

    async def put_survivors(
        self,
        session_id: bytes,
        *,
        spec: bytes,
        survivors: tuple[str, ...],
        running_sum: bytes | memoryview,
        record: bytes,
    ) -> None:
        """Durable point (a): before any site is asked to unmask. Raises `SessionConflict`."""
        ...

    async def get_running_sum(self, session: SessionRecord) -> bytes:
        """The masked sum of an open session, verified. Raises `DamagedArtifact`."""
        ...

    async def put_unmask_share(self, session_id: bytes, site_id: str, message: bytes) -> None:
        """Durable point (b): before a share is acknowledged. Raises `UnknownSession` or `SessionConflict`."""
        ...

    async def open_sessions(self) -> list[SessionRecord]:
        """Sessions whose unmasking was not finished."""
        ...

    async def close_session(self, session_id: bytes) -> None:
        """Forget a session with its shares; an unknown one is no error."""
        ...


class BlameStore(Protocol):
    """Sites that broke the secure sum."""

    async def put_blame(self, blame: BlameRecord) -> None:
        """Blame a site for one session; it stands as it was said first. Raises `UnknownAgent`."""
        ...

    async def blames(self) -> list[BlameRecord]:
        """All that was ever said, oldest first."""
        ...

    async def readmit(self, agent_id: str, now: datetime) -> None:
        """End every blame of the agent that stands. Raises `UnknownAgent`."""
        ...


class TrafficStore(Protocol):
    """What sites sent and received, by session."""

    async def add_traffic(self, traffic: TrafficRecord) -> None:
        """Add to what the session moved before, as a session that a crash interrupted does."""
        ...

    async def study_bytes(self, study_id: str) -> int:
        """Of all sessions of a study."""
        ...

    async def tune_bytes(self, tune_key: str) -> int:
        """Of all sessions that worked on a TUNE, for whichever study."""
        ...


class ArtifactStore(Protocol):
    """Files by content hash."""

    async def put_artifact(self, data: bytes | memoryview, *, durable: bool = True) -> str:
        """Store `data`; its SHA-256. `durable=False`: may be lost with the power, for what can be computed again."""
        ...

    async def get_artifact(self, sha256: str) -> bytes:
        """All of it, verified. Raises `UnknownArtifact`, `BadArtifactName` or `DamagedArtifact`."""
        ...

    def open_artifact(self, sha256: str, offset: int = 0) -> tuple[BinaryIO, int]:
        """An open file at `offset` and the total size in bytes. Raises `UnknownArtifact` or `BadArtifactName`."""
        ...


class Store(EnrolmentStore, StudyStore, TuneStore, SessionStore, BlameStore, TrafficStore, ArtifactStore, Protocol):
    """Everything, in one place."""

    async def bump_epoch(self) -> int:
        """The next store epoch, from 1; once at every start of the coordinator."""
        ...

    async def next_sequence(self) -> int:
        """A number above every one given before, over the life of the deployment; a restart may skip some."""
        ...

    async def close(self) -> None:
        """Finish what was asked and release the files."""
        ...
