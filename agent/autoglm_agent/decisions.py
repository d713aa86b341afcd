"""What this agent's administrator and policy decide, and how the coordinator learns of it.

Decisions live in the ledger, written by the daemon (policy) or by the command line (the administrator). Each one that
leaves is signed by the site key over the study's hash, so that nobody can turn a no into a yes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from autoglm_agent.children import Children
from autoglm_agent.config import AgentConfig, Approval
from autoglm_agent.errors import NotInRoster
from autoglm_agent.incoming import CheckAsked, StudyOffered
from autoglm_agent.ledger import Ledger, StudyEntry, StudyState
from autoglm_agent.line import Line
from autoglm_agent.model_delivery import ModelDelivery
from autoglm_agent.outgoing import AnswerCheck, DecideRoster, DecideStudy
from autoglm_agent.policy import judge
from autoglm_agent.studies import read_study
from autoglm_core.canonical import Json, digest
from autoglm_core.codes import RefusalCode, RefusedWith, refusal_of
from autoglm_core.errors import AutoglmError
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.roster import Roster
from autoglm_workloads.models.needed import needed_model

LOG = logging.getLogger(__name__)
DECISION_MESSAGE = "study-decision"
WAITING = frozenset({RefusalCode.WOULD_ASK, RefusalCode.ROSTER_NOT_ACCEPTED})
"""Answers that an administrator at this site still turns into a decision; nothing is said until then."""
OF_THE_DATA = frozenset({RefusalCode.DATA_MISSING, RefusalCode.DATA_EMPTY, RefusalCode.SCHEMA_MISMATCH})


def own_roster(body: bytes, *, agent_id: str, key: SiteKey) -> Roster:
    """The roster of `body`, if it holds this site under its own key.

    Raises:
        NotInRoster: it does not.
        Malformed, BadRoster: it is no roster.
    """
    roster = Roster.decode(body)
    if not any(site.site_id == agent_id and site.public_key == key.public.raw for site in roster.sites):
        raise NotInRoster
    return roster


@dataclass(frozen=True)
class Decisions:
    """Decides and tells. Every method may be called again for the same thing: it then says the same.

    `preparing`: what an approved study still waits for here, by its id.
    """

    config: AgentConfig
    agent_id: str
    key: SiteKey
    ledger: Ledger
    line: Line
    children: Children
    models: ModelDelivery
    preparing: dict[str, str] = field(default_factory=dict)

    async def roster_offered(self, body: bytes) -> None:
        """Remember a roster; in a simulation accept it."""
        if self.config.device is not None:
            return
        try:
            roster = own_roster(body, agent_id=self.agent_id, key=self.key)
        except AutoglmError as error:
            LOG.warning("an offered roster was not kept: %s", error)
            return
        await asyncio.to_thread(self.ledger.offer_roster, roster.hash, body)
        if self.config.policy.approval is Approval.SIMULATED:
            await asyncio.to_thread(self.ledger.accept_roster, roster.hash, simulated=True)
        await self.tell_roster()

    async def tell_roster(self) -> None:
        """Say which roster is accepted, if the one offered last is."""
        rosters = await asyncio.to_thread(self.ledger.rosters)
        if rosters and rosters[-1].accepted:
            self.line.send(DecideRoster(rosters[-1].hash, accepted=True, simulated=rosters[-1].simulated))

    async def study_offered(self, offer: StudyOffered) -> None:
        """Remember a study, and decide where policy can."""
        entry = await asyncio.to_thread(
            self.ledger.offer_study,
            offer.study_id,
            study_hash=digest(offer.body),
            body=offer.body,
            roster_hash=offer.roster_hash,
        )
        if entry.state is StudyState.ENDED:
            entry = await asyncio.to_thread(self.ledger.decide, offer.study_id, StudyState.OFFERED)
        if entry.state is StudyState.OFFERED:
            entry = await self._decide(entry)
        await self.tell_study(entry)

    async def _decide(self, entry: StudyEntry) -> StudyEntry:
        code = await asyncio.to_thread(self._judged, entry)
        LOG.info("study %s: %s", entry.study_id, code)
        state = StudyState.OFFERED if code in WAITING else StudyState.DENIED
        if code is RefusalCode.OK:
            state = StudyState.APPROVED
        return await asyncio.to_thread(self.ledger.decide, entry.study_id, state, code)

    def _judged(self, entry: StudyEntry) -> RefusalCode:
        try:
            study = read_study(entry.body)
        except RefusedWith as refusal:
            return refusal.reason
        accepted = self.ledger.accepted_roster(entry.roster_hash) is not None
        return judge(self.config, study, roster_accepted=accepted)

    async def tell_study(self, entry: StudyEntry) -> RefusalCode:
        """Say what was decided about `entry`; a yes only once this site's child holds its rows.

        Returns:
            `ok`, or why it is a no; `would-ask` where nothing is decided.
        """
        if entry.state is StudyState.APPROVED:
            entry = await self._warmed(entry)
        if entry.state in (StudyState.OFFERED, StudyState.ENDED):
            return RefusalCode.WOULD_ASK
        approved = entry.state is StudyState.APPROVED
        word = "approved" if approved else "denied"
        signature = self.key.sign(DECISION_MESSAGE, f"{entry.hash}\n{word}".encode())
        self.line.send(DecideStudy(entry.study_id, entry.hash, approved, entry.code, signature))
        return entry.code

    async def _warmed(self, entry: StudyEntry) -> StudyEntry:
        try:
            study = read_study(entry.body)
            if self.config.device is None:
                self.preparing[entry.study_id] = "fetching its model"
                await self.models.bring(entry.study_id, study)
                self.preparing[entry.study_id] = "reading its rows"
            await self.children.warm(entry.study_id, study)
        except Exception as error:
            LOG.warning("study %s cannot run here: %s%s", entry.study_id, error, _advice(error))
            await self.children.forget(entry.study_id)
            return await asyncio.to_thread(self.ledger.decide, entry.study_id, StudyState.DENIED, refusal_of(error))
        finally:
            self.preparing.pop(entry.study_id, None)
        return entry

    def shown(self) -> list[Json]:
        """Approved studies that are not ready yet, as `status` shows them."""
        coming = {study_id: f": {download}" for study_id, download in self.models.coming.items()}
        return [
            {"study": study_id, "step": f"{step}{coming.get(study_id, '')}"}
            for study_id, step in self.preparing.items()
        ]

    async def check_asked(self, check: CheckAsked) -> None:
        """Answer a dry run: would this agent take part, and does its data fit?"""
        code, schema_hash = await self._checked(check.body)
        self.line.send(AnswerCheck(check.check_id, code, schema_hash))

    async def _checked(self, body: bytes) -> tuple[RefusalCode, str]:
        try:
            study = read_study(body)
            if study.data in self.config.data:
                await asyncio.to_thread(self.ledger.remember_check, study.data, body)
            rosters = await asyncio.to_thread(self.ledger.rosters)
            code = judge(self.config, study, roster_accepted=bool(rosters) and rosters[-1].accepted)
            if code not in (RefusalCode.OK, *WAITING):
                return code, ""
            needed = needed_model(study)
            if needed is not None and needed.served and not needed.here:
                return code, ""  # it comes with an approval; without its tokenizer no row can be read
            await self.children.try_data(study)
        except Exception as error:
            LOG.warning("dry run: %s%s", error, _advice(error))
            return refusal_of(error), ""
        return code, study.schema.hash


def _advice(error: Exception) -> str:
    """Behind what the log says of the rows, which names no column."""
    return "; run `autoglm-agent data check` here" if refusal_of(error) in OF_THE_DATA else ""
