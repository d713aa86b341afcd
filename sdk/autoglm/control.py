"""The control service as an operator calls it: every method encodes, calls, decodes. The only wire in `autoglm`.

Calls block: the command line does one thing at a time. Each has a deadline, because a command that hangs tells its
user nothing; a watch goes on through restarts of the coordinator instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

import grpc.aio

from autoglm.answers import AgentLine, Blame, CheckLine, Pick, RosterLine, RosterView, StudyLine, SubmittedStudy
from autoglm.credentials import OperatorCredentials
from autoglm.errors import BadPick, CoordinatorUnreachable, OperatorExpired
from autoglm.pick_archive import LIMIT, unpack_pick
from autoglm.progress import Progress
from autoglm_core.errors import AutoglmError
from autoglm_core.identity import JoinToken
from autoglm_protos import enroll
from autoglm_protos.errors import Unreachable, translate
from autoglm_protos.tls import Credentials, open_channel
from autoglm_protos.v1 import control_pb2 as pb
from autoglm_protos.v1.control_pb2_grpc import ControlServiceStub

Reply = TypeVar("Reply")

DEADLINE = timedelta(seconds=30)
CHECK_DEADLINE = timedelta(minutes=2)
"""A dry run asks every site, and the slowest answers last."""
REPORT_DEADLINE = timedelta(minutes=10)
"""What the coordinator's child makes waits until no device measures on its host."""
PATIENCE = timedelta(minutes=2)
"""How long a watch tries to reach a coordinator that went away."""
RETRY_SECONDS = 0.5
OPERATOR_NAME = "operator"
RENEWAL_VALID = timedelta(minutes=5)


def login_with_token(token: str) -> OperatorCredentials:
    """Exchange an operator token for a certificate.

    Raises:
        BadToken: it is no whole token.
        WrongAuthority: whoever answered is not the coordinator that made the token.
        RemoteError: the coordinator refused, for example a token that was used or ran out.
    """
    enrolled = asyncio.run(enroll.login(JoinToken.parse(token)))
    return OperatorCredentials(
        address=enrolled.address,
        operator_id=enrolled.id,
        certificate=enrolled.credentials.certificate,
        key=enrolled.credentials.private_key,
        authority=enrolled.credentials.ca,
    )


def refreshed(credentials: OperatorCredentials, *, now: datetime) -> OperatorCredentials:
    """`credentials`, or newer ones where two thirds of their life are over. `now`: with a time zone.

    An operator that calls at least once in the last third of a certificate's life never needs another token.

    Raises:
        OperatorExpired: they ran out.
    """
    held = Credentials(credentials.key, credentials.certificate, credentials.authority)
    if now >= held.expires:
        raise OperatorExpired(expired=held.expires.isoformat(timespec="minutes"))
    if now < held.renew_at:
        return credentials
    with ControlClient(credentials) as client:
        token = client.create_join_token(OPERATOR_NAME, valid=RENEWAL_VALID, operator=True)
    return login_with_token(token)


class ControlClient:
    """An operator's connection to one coordinator. Use as a context manager, from one thread."""

    def __init__(self, credentials: OperatorCredentials) -> None:
        self._credentials = credentials
        self._runner = asyncio.Runner()
        self._dial()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._runner.run(_close(self._channel))
        self._runner.close()

    def create_join_token(self, name: str, *, valid: timedelta, operator: bool = False) -> str:
        """A single-use token for an agent of that name, or for an operator."""
        request = pb.CreateJoinTokenRequest(name=name, valid_seconds=int(valid.total_seconds()), operator=operator)
        return self._call(self._stub.CreateJoinToken, request).token

    def agents(self) -> list[AgentLine]:
        """Every agent that ever joined."""
        reply = self._call(self._stub.ListAgents, pb.ListAgentsRequest())
        return [_agent(agent) for agent in reply.agents]

    def revoke_agent(self, agent_id: str) -> None:
        """End an agent's right to connect; its open stream closes within seconds."""
        self._call(self._stub.RevokeAgent, pb.RevokeAgentRequest(id=agent_id))

    def readmit_agent(self, agent_id: str) -> None:
        """Let a site that broke the secure sum take part again."""
        self._call(self._stub.ReadmitAgent, pb.ReadmitAgentRequest(id=agent_id))

    def propose_roster(self, agents: Sequence[str] = (), *, minimum_cohort: int, colluders: int = 0) -> RosterView:
        """Write a new version of the roster, over the named sites or all; every site must accept it."""
        request = pb.ProposeRosterRequest(agents=agents, minimum_cohort=minimum_cohort, colluders=colluders)
        return _roster(self._call(self._stub.ProposeRoster, request))

    def roster(self) -> RosterView:
        """The newest version of the roster."""
        return _roster(self._call(self._stub.GetRoster, pb.GetRosterRequest()))

    def check(self, study: bytes) -> list[CheckLine]:
        """Ask each site whether it would take part in `study` (canonical JSON); nothing is trained."""
        reply = self._call(self._stub.CheckStudy, pb.CheckStudyRequest(study=study), deadline=CHECK_DEADLINE)
        return [CheckLine(line.agent, line.code, line.schema_hash) for line in reply.agents]

    def submit(self, study: bytes, *, idempotency_key: str) -> SubmittedStudy:
        """Submit `study` (canonical JSON); the same key again returns the same study."""
        request = pb.SubmitStudyRequest(study=study, idempotency_key=idempotency_key)
        reply = self._call(self._stub.SubmitStudy, request)
        return SubmittedStudy(reply.study_id, reply.hash)

    def stop(self, study_id: str) -> None:
        """End a study; what is completed stays."""
        self._call(self._stub.StopStudy, pb.StopStudyRequest(study_id=study_id))

    def studies(self) -> list[StudyLine]:
        """Every study of the deployment."""
        reply = self._call(self._stub.ListStudies, pb.ListStudiesRequest())
        return [
            StudyLine(
                id=study.id,
                name=study.name,
                state=study.state,
                approved=study.approved,
                wanted=study.wanted,
                protection=study.protection,
                answers={answer.agent: answer.code for answer in study.answers},
                blames=tuple(map(_blame, study.blames)),
            )
            for study in reply.studies
        ]

    def watch(self, study_id: str, *, while_away: Callable[[], None] = lambda: None) -> Iterator[Progress]:
        """Progress until the study is final, through restarts of the coordinator.

        Args:
            study_id: of the study.
            while_away: called before each new try to reach the coordinator.

        Raises:
            CoordinatorUnreachable: it stayed away for longer than `PATIENCE`.
        """
        away_since: float | None = None
        while True:
            try:
                for progress in self._watch_once(study_id):
                    away_since = None
                    yield progress
                    if progress.final:
                        return
            except CoordinatorUnreachable:
                away_since = time.monotonic() if away_since is None else away_since
                if time.monotonic() - away_since > _seconds(PATIENCE):
                    raise
            while_away()
            time.sleep(RETRY_SECONDS)

    def _watch_once(self, study_id: str) -> Iterator[Progress]:
        """Progress until the stream ends; a loop runs only while the next message is awaited."""
        messages = self._wait(_open_stream(self._stub.WatchStudy, pb.WatchStudyRequest(study_id=study_id)))
        while (message := self._wait(_next(messages))) is not None:
            yield _progress(study_id, message)

    def result(self, study_id: str) -> bytes:
        """The bytes of result.json; of a running study as far as it has come."""
        request = pb.GetResultRequest(study_id=study_id)
        return self._call(self._stub.GetResult, request).result

    def pick(self, study_id: str, device_class: str, *, trial: int = 0) -> Pick:
        """The files of a pick; `trial` 0 is the best."""
        request = pb.GetPickRequest(study_id=study_id, device_class=device_class, trial=trial)
        number, archive = self._wait(_collect(self._stub.GetPick, request))
        return Pick(trial=number, files=unpack_pick(archive))

    def importance(self, study_id: str) -> bytes:
        """Canonical JSON of which parameters matter for which objective, over the trials so far."""
        request = pb.GetImportanceRequest(study_id=study_id)
        return self._call(self._stub.GetImportance, request, deadline=REPORT_DEADLINE).importance

    def optuna_journal(self, study_id: str) -> bytes:
        """The trials so far as a journal of Optuna's."""
        return self._wait(_joined(self._stub.GetOptunaJournal, pb.GetOptunaJournalRequest(study_id=study_id)))

    def _call(
        self, method: Callable[..., Awaitable[Reply]], request: object, *, deadline: timedelta = DEADLINE
    ) -> Reply:
        return self._wait(_answer(method, request, deadline))

    def _wait(self, call: Coroutine[object, object, Reply]) -> Reply:
        """The answer of `call`, or the error that it stands for."""
        try:
            return self._runner.run(call)
        except grpc.aio.AioRpcError as failure:
            raise self._translate(failure) from failure

    def _translate(self, failure: grpc.aio.AioRpcError) -> AutoglmError:
        error = translate(failure)
        if not isinstance(error, Unreachable):
            return error
        # A channel that failed waits longer and longer before it tries again; a new one tries at once.
        self._runner.run(_close(self._channel))
        self._dial()
        return CoordinatorUnreachable(address=self._credentials.address)

    def _dial(self) -> None:
        self._channel = self._runner.run(_open(self._credentials))
        self._stub = ControlServiceStub(self._channel)


async def _open(credentials: OperatorCredentials) -> grpc.aio.Channel:
    return open_channel(
        credentials.address, Credentials(credentials.key, credentials.certificate, credentials.authority)
    )


async def _close(channel: grpc.aio.Channel) -> None:
    await channel.close(None)


async def _answer(method: Callable[..., Awaitable[Reply]], request: object, deadline: timedelta) -> Reply:
    return await method(request, timeout=_seconds(deadline))


async def _open_stream(method: Callable[..., AsyncIterable[Reply]], request: object) -> AsyncIterator[Reply]:
    return aiter(method(request))


async def _next(messages: AsyncIterator[Reply]) -> Reply | None:
    return await anext(messages, None)


async def _collect(
    method: Callable[..., AsyncIterable[pb.PickChunk]], request: pb.GetPickRequest
) -> tuple[int, bytearray]:
    """Trial number and archive."""
    number, archive = 0, bytearray()
    call: Any = method(request, timeout=_seconds(REPORT_DEADLINE))
    try:
        async for chunk in call:
            number = number or chunk.trial
            if len(archive) + len(chunk.data) > LIMIT:
                raise BadPick(reason="it is too large")
            archive += chunk.data
    finally:
        call.cancel()
    return number, archive


async def _joined(
    method: Callable[..., AsyncIterable[pb.OptunaJournalChunk]], request: pb.GetOptunaJournalRequest
) -> bytes:
    journal = bytearray()
    async for chunk in method(request, timeout=_seconds(REPORT_DEADLINE)):
        journal += chunk.data
    return bytes(journal)


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _agent(info: pb.AgentInfo) -> AgentLine:
    return AgentLine(
        id=info.id,
        name=info.name,
        kind=info.kind,
        connected=info.connected,
        revoked=info.revoked,
        device_class=info.device_class,
        data=tuple(info.data),
        fingerprint=info.site_key_fingerprint,
        roster_hash=info.roster_hash,
        version=info.version,
        blames=tuple(map(_blame, info.blames)),
    )


def _blame(blame: pb.Blame) -> Blame:
    return Blame(
        agent=blame.agent,
        study_id=blame.study_id,
        purpose=blame.purpose,
        round=blame.round,
        code=blame.code,
        readmitted=blame.readmitted,
    )


def _roster(reply: pb.RosterReply) -> RosterView:
    return RosterView(
        hash=reply.hash,
        version=reply.version,
        minimum_cohort=reply.minimum_cohort,
        threshold=reply.threshold,
        sites=tuple(RosterLine(site.name, site.fingerprint, site.accepted, site.simulated) for site in reply.sites),
    )


def _progress(study_id: str, message: pb.StudyProgress) -> Progress:
    return Progress(
        study_id=study_id,
        state=message.state,
        approved=message.approved,
        wanted=message.wanted,
        trials_final=message.trials_final,
        trials_budget=message.trials_budget,
        tunes=message.tunes,
        round=message.round,
        rounds=message.rounds,
        sites=message.sites,
        sites_wanted=message.sites_wanted,
        best=message.best,
        seconds=message.seconds,
        seconds_left=message.seconds_left,
        stage=message.stage,
        fronts={front.device_class: front.points for front in message.fronts},
        error_code=message.error_code,
        error=message.error,
    )
