"""What operators ask. Served on the mutual-TLS port to operator certificates alone."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.transport import SendRoster
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.service.checks import ask_agents
from autoglm_coordinator.service.gate import Context, Gate
from autoglm_coordinator.service.join import Addresses
from autoglm_coordinator.store.api import AgentRecord, BlameRecord, RosterRecord, Store
from autoglm_coordinator.trials.explain import importance_of, optuna_journal_of
from autoglm_coordinator.trials.finish import result_so_far
from autoglm_coordinator.trials.pick import pick_archive
from autoglm_coordinator.trials.protection import protection_of
from autoglm_coordinator.trials.stages import Tools
from autoglm_coordinator.trials.studies import Studies, agents_of
from autoglm_coordinator.trials.watch import Standing, study_standing
from autoglm_core.canonical import canonical_json
from autoglm_core.codes import RefusalCode
from autoglm_core.encoding import Malformed
from autoglm_core.errors import Conflict, InvalidInput
from autoglm_core.identity import Role
from autoglm_core.parse_study import decode_study
from autoglm_core.privacy.keys import SitePublicKey
from autoglm_core.privacy.roster import Roster, RosterSite
from autoglm_core.study import Study
from autoglm_protos.v1 import control_pb2, control_pb2_grpc

CHUNK = 512 * 1024
WATCH_SECONDS = 0.5
LONGEST_TOKEN_SECONDS = 365 * 24 * 3600


class NoSitesForRoster(Conflict):
    """A roster of the agents that joined would hold too few sites."""

    code = "roster-too-small"

    def __init__(self, *, sites: int, required: int) -> None:
        super().__init__(
            f"{sites} sites joined and the minimum cohort is {required}: "
            "let more sites join, or propose a smaller minimum cohort",
            sites=sites,
            required=required,
        )


class BadStudy(InvalidInput):
    """The study's bytes are no canonical JSON, or too many."""

    code = "bad-study"

    def __init__(self) -> None:
        super().__init__("the study is not canonical JSON: use `autoglm submit` of this version")


class ControlService(control_pb2_grpc.ControlServiceServicer):
    """Every method: operator certificates alone."""

    def __init__(
        self, *, gate: Gate, enrolment: Enrolment, tools: Tools, studies: Studies, deployment: str, addresses: Addresses
    ) -> None:
        self._gate = gate
        self._enrolment = enrolment
        self._deployment = deployment
        self._addresses = addresses
        self._tools = tools
        self._studies = studies

    @property
    def _store(self) -> Store:
        return self._tools.store

    @property
    def _fleet(self) -> Fleet:
        return self._tools.fleet

    async def CreateJoinToken(
        self, request: control_pb2.CreateJoinTokenRequest, context: Context
    ) -> control_pb2.CreateJoinTokenReply:
        """A token for one join, or for one `autoglm login`."""
        self._gate.require(context, Role.OPERATOR)
        role = Role.OPERATOR if request.operator else Role.AGENT
        valid = timedelta(seconds=min(request.valid_seconds, LONGEST_TOKEN_SECONDS) or 3600)
        token = await self._enrolment.create_token(request.name, role, join_address=self._addresses.join, valid=valid)
        return control_pb2.CreateJoinTokenReply(token=token.encode())

    async def ListAgents(self, request: control_pb2.ListAgentsRequest, context: Context) -> control_pb2.ListAgentsReply:
        """Every agent that ever joined."""
        self._gate.require(context, Role.OPERATOR)
        blames = await self._store.blames()
        agents = [self._info(record, blames) for record in await self._store.list_agents()]
        return control_pb2.ListAgentsReply(agents=agents)

    def _info(self, record: AgentRecord, blames: Sequence[BlameRecord]) -> control_pb2.AgentInfo:
        link = self._fleet.link(record.agent_id)
        return control_pb2.AgentInfo(
            id=record.agent_id,
            name=record.name,
            connected=link is not None,
            kind=record.facts.get("kind", ""),
            device_class=record.facts.get("device_class", ""),
            data=record.facts.get("data", []),
            site_key_fingerprint=SitePublicKey(record.site_key).fingerprint if record.site_key else "",
            revoked=record.revoked is not None,
            roster_hash=link.facts.roster_hash if link is not None else "",
            version=record.facts.get("version", ""),
            blames=[_blame(entry, record.name) for entry in blames if entry.agent_id == record.agent_id],
        )

    async def ReadmitAgent(
        self, request: control_pb2.ReadmitAgentRequest, context: Context
    ) -> control_pb2.ReadmitAgentReply:
        """A site that broke the secure sum is in the cohorts again."""
        self._gate.require(context, Role.OPERATOR)
        await self._tools.blames.readmit(request.id)
        return control_pb2.ReadmitAgentReply()

    async def RevokeAgent(
        self, request: control_pb2.RevokeAgentRequest, context: Context
    ) -> control_pb2.RevokeAgentReply:
        """Its certificates count no more, and its open stream ends."""
        self._gate.require(context, Role.OPERATOR)
        await self._enrolment.revoke(request.id)
        link = self._fleet.link(request.id)
        if link is not None:
            link.close()
        return control_pb2.RevokeAgentReply()

    async def ProposeRoster(
        self, request: control_pb2.ProposeRosterRequest, context: Context
    ) -> control_pb2.RosterReply:
        """A new version over the named sites, or all; every site accepts it again."""
        self._gate.require(context, Role.OPERATOR)
        wanted = set(request.agents)
        members = [
            record
            for record in await self._store.list_agents()
            if record.revoked is None and record.site_key and _may_stand_in_roster(record, wanted)
        ]
        minimum = request.minimum_cohort or 3
        if len(members) < minimum:
            raise NoSitesForRoster(sites=len(members), required=minimum)
        latest = await self._store.latest_roster()
        roster = Roster(
            version=latest.version + 1 if latest else 1,
            deployment=self._deployment,
            sites=tuple(
                RosterSite(record.agent_id, record.name, record.site_key)
                for record in sorted(members, key=lambda record: record.agent_id)
            ),
            minimum_cohort=minimum,
            colluders=request.colluders,
        )
        record = RosterRecord(roster.version, roster.hash, roster.encode())
        await self._store.put_roster(record)
        for link in self._fleet.links():
            link.send(SendRoster(record.body))
        return await self._roster_reply(roster)

    async def GetRoster(self, request: control_pb2.GetRosterRequest, context: Context) -> control_pb2.RosterReply:
        """The roster in force, and who accepted it."""
        self._gate.require(context, Role.OPERATOR)
        return await self._roster_reply(await self._studies.roster())

    async def _roster_reply(self, roster: Roster) -> control_pb2.RosterReply:
        accepted = await self._store.roster_acceptances(roster.hash)
        return control_pb2.RosterReply(
            hash=roster.hash,
            version=roster.version,
            minimum_cohort=roster.minimum_cohort,
            threshold=roster.threshold(len(roster.sites)),
            sites=[
                control_pb2.RosterSite(
                    name=site.name,
                    fingerprint=site.key.fingerprint,
                    accepted=site.site_id in accepted,
                    simulated=accepted.get(site.site_id, False),
                )
                for site in roster.sites
            ],
        )

    async def CheckStudy(self, request: control_pb2.CheckStudyRequest, context: Context) -> control_pb2.CheckStudyReply:
        """Ask each agent that the study concerns; trains nothing."""
        self._gate.require(context, Role.OPERATOR)
        study = _decode_study(request.study)
        roster = await self._studies.roster()
        agents = agents_of(await self._studies.check(study, roster))
        names = {record.agent_id: record.name for record in await self._store.list_agents()}
        answers = await ask_agents(agents, request.study, fleet=self._fleet, store=self._store)
        lines = []
        for agent_id in agents:
            answer = answers.get(agent_id)
            code, schema_hash = (answer.code, answer.schema_hash) if answer else ("no-answer", "")
            lines.append(control_pb2.CheckLine(agent=names[agent_id], code=code, schema_hash=schema_hash))
        return control_pb2.CheckStudyReply(agents=lines)

    async def SubmitStudy(
        self, request: control_pb2.SubmitStudyRequest, context: Context
    ) -> control_pb2.SubmitStudyReply:
        """Store a study and gather approvals; the same idempotency key gives the same study."""
        self._gate.require(context, Role.OPERATOR)
        record = await self._studies.submit(_decode_study(request.study), idempotency_key=request.idempotency_key)
        return control_pb2.SubmitStudyReply(study_id=record.study_id, hash=record.hash)

    async def StopStudy(self, request: control_pb2.StopStudyRequest, context: Context) -> control_pb2.StopStudyReply:
        """End a study after the trials that are under way."""
        self._gate.require(context, Role.OPERATOR)
        await self._studies.stop(request.study_id)
        return control_pb2.StopStudyReply()

    async def ListStudies(
        self, request: control_pb2.ListStudiesRequest, context: Context
    ) -> control_pb2.ListStudiesReply:
        """Every study, oldest first."""
        self._gate.require(context, Role.OPERATOR)
        infos = []
        names = {record.agent_id: record.name for record in await self._store.list_agents()}
        blames = await self._store.blames()
        for record in await self._store.list_studies():
            study = Study.from_json(json.loads(record.body))
            answers = await self._studies.answers(record.study_id)
            infos.append(
                control_pb2.StudyInfo(
                    id=record.study_id,
                    name=study.name,
                    state=str(record.state),
                    approved=sum(code == RefusalCode.OK for code in answers.values()),
                    wanted=len(answers),
                    protection=canonical_json(await protection_of(record, self._store)).decode(),
                    answers=[control_pb2.StudyAnswer(agent=name, code=code) for name, code in answers.items()],
                    blames=[
                        _blame(entry, names[entry.agent_id]) for entry in blames if entry.study_id == record.study_id
                    ],
                )
            )
        return control_pb2.ListStudiesReply(studies=infos)

    async def WatchStudy(
        self, request: control_pb2.WatchStudyRequest, context: Context
    ) -> AsyncIterator[control_pb2.StudyProgress]:
        """Where the study stands, whenever that changes, until it ends."""
        self._gate.require(context, Role.OPERATOR)
        last = None
        while True:
            standing = await study_standing(request.study_id, self._studies, self._store)
            if standing != last:
                yield _encode_standing(standing)
                last = standing
            if standing.final:
                return
            await self._fleet.changed(WATCH_SECONDS)

    async def GetResult(self, request: control_pb2.GetResultRequest, context: Context) -> control_pb2.GetResultReply:
        """The result as far as the study has come."""
        self._gate.require(context, Role.OPERATOR)
        result = await result_so_far(request.study_id, self._store)
        return control_pb2.GetResultReply(result=canonical_json(result))

    async def GetPick(
        self, request: control_pb2.GetPickRequest, context: Context
    ) -> AsyncIterator[control_pb2.PickChunk]:
        """A tar of model.onnx, configuration.yaml, the model card, plots, and companions (`ShipsFiles`)."""
        self._gate.require(context, Role.OPERATOR)
        number, archive = await pick_archive(request.study_id, request.device_class, request.trial or None, self._tools)
        yield control_pb2.PickChunk(trial=number)
        for start in range(0, len(archive), CHUNK):
            yield control_pb2.PickChunk(data=archive[start : start + CHUNK])

    async def GetImportance(
        self, request: control_pb2.GetImportanceRequest, context: Context
    ) -> control_pb2.GetImportanceReply:
        """Which parameters matter for which objective, over the trials so far."""
        self._gate.require(context, Role.OPERATOR)
        importance = await importance_of(request.study_id, self._tools)
        return control_pb2.GetImportanceReply(importance=canonical_json(importance))

    async def GetOptunaJournal(
        self, request: control_pb2.GetOptunaJournalRequest, context: Context
    ) -> AsyncIterator[control_pb2.OptunaJournalChunk]:
        """The trials so far as a journal of Optuna's."""
        self._gate.require(context, Role.OPERATOR)
        journal = await optuna_journal_of(request.study_id, self._tools)
        for start in range(0, len(journal), CHUNK):
            yield control_pb2.OptunaJournalChunk(data=journal[start : start + CHUNK])


def _blame(entry: BlameRecord, name: str) -> control_pb2.Blame:
    return control_pb2.Blame(
        agent=name,
        study_id=entry.study_id,
        purpose=entry.purpose,
        round=entry.round,
        code=entry.code,
        readmitted=entry.readmitted is not None,
    )


def _may_stand_in_roster(record: AgentRecord, wanted: set[str]) -> bool:
    if wanted:
        return record.name in wanted
    return record.facts.get("kind") == "site"


def _decode_study(body: bytes) -> Study:
    try:
        return decode_study(body)
    except Malformed as error:
        raise BadStudy from error


def _encode_standing(standing: Standing) -> control_pb2.StudyProgress:
    return control_pb2.StudyProgress(
        state=standing.state,
        approved=standing.approved,
        wanted=standing.wanted,
        trials_final=standing.trials_final,
        trials_budget=standing.trials_budget,
        tunes=standing.tunes,
        round=standing.round,
        rounds=standing.rounds,
        sites=standing.sites,
        sites_wanted=standing.sites_wanted,
        best=math.nan if standing.best is None else standing.best,
        seconds=standing.seconds,
        seconds_left=math.nan if standing.seconds_left is None else standing.seconds_left,
        stage=standing.stage,
        fronts=[control_pb2.FrontSize(device_class=name, points=points) for name, points in standing.fronts],
        error_code=standing.error_code,
        error=standing.error,
    )
