"""The studies of a deployment: submitted, approved, run, stopped, taken up again after a restart.

awaiting-approval -> running -> completed | stopped | failed
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from autoglm_coordinator.federation.transport import EndStudy, Link, OfferStudy
from autoglm_coordinator.store.api import StudyRecord, StudyState
from autoglm_coordinator.store.errors import UNUSABLE
from autoglm_coordinator.trials.context import Progress, StudyContext, cohort_key, wanted_key
from autoglm_coordinator.trials.finish import finish
from autoglm_coordinator.trials.runner import Search, TooFewApprovals, sum_constants
from autoglm_coordinator.trials.stages import Tools
from autoglm_coordinator.trials.submission import (
    NoSite,
    check_study,
    require_accepted,
    verify_model,
    wanted_agents,
)
from autoglm_coordinator.trials.warm_start import check_warm_start
from autoglm_core.canonical import Json, canonical_json, json_digest
from autoglm_core.clock import Clock
from autoglm_core.errors import AutoglmError, Conflict
from autoglm_core.privacy.roster import Roster
from autoglm_core.protection import minimum_cohort
from autoglm_core.study import Study
from autoglm_workloads.registry import load_workload

LOG = logging.getLogger(__name__)
STORE_RETRY_SECONDS = 5.0
"""Between two tries of a study that waits for its store."""


class NoRoster(Conflict):
    """A study needs a roster and there is none."""

    code = "no-roster"

    def __init__(self) -> None:
        super().__init__("no roster yet: run `autoglm roster propose`, and have each site accept it")


@dataclass
class Running:
    """A study that is under way in this process."""

    record: StudyRecord
    study: Study
    progress: Progress
    task: asyncio.Task[None] | None = None
    search: Search | None = None
    approved: int = 0
    wanted: int = 0
    sites_wanted: int = 0
    halted: AutoglmError | None = None
    """Why the study waits: the store takes no changes."""


class Studies:
    """Submits, runs and stops studies."""

    def __init__(self, *, tools: Tools, clock: Clock) -> None:
        self._tools = tools
        self._clock = clock
        self._running: dict[str, Running] = {}

    def running(self, study_id: str) -> Running | None:
        """The study if it is under way."""
        return self._running.get(study_id)

    async def resume(self) -> None:
        """Take up what was under way when the coordinator last ended."""
        for record in await self._tools.store.list_studies():
            if not record.state.final:
                self._start(record, Study.from_json(json.loads(record.body)))

    async def submit(self, study: Study, *, idempotency_key: str) -> StudyRecord:
        """Check that the deployment can run `study`, store it, and start to gather approvals.

        Raises:
            NoRoster, RosterNotAccepted, or what `check` raises: nothing is stored.
        """
        roster = await self.roster()
        study_id = f"{study.name}-{json_digest([study.hash, idempotency_key])[:6]}"
        record = StudyRecord(
            study_id=study_id,
            hash=study.hash,
            body=canonical_json(study.to_json()),
            roster_hash=roster.hash,
            created=self._clock.now(),
        )
        known = {entry.study_id for entry in await self._tools.store.list_studies()}
        if study_id not in known:
            wanted = await self.check(study, roster)
            require_accepted(roster, wanted["sites"], await self._tools.store.roster_acceptances(roster.hash))
            await self._tools.store.put_stage("WANTED", wanted_key(study_id), wanted)
        record = await self._tools.store.put_study(record, idempotency_key=idempotency_key)
        if record.study_id not in self._running and not record.state.final:
            self._start(record, study)
        return record

    async def check(self, study: Study, roster: Roster) -> Json:
        """Whose yes `study` would need; raises the first reason why the deployment cannot run it."""
        wanted = wanted_agents(study, roster, fleet=self._tools.fleet, blames=self._tools.blames)
        await verify_model(study)
        check_study(study, roster, wanted, fleet=self._tools.fleet)
        await check_warm_start(study, self._tools.store)
        return wanted

    async def roster(self) -> Roster:
        """The roster in force.

        Raises:
            NoRoster: none was proposed.
        """
        record = await self._tools.store.latest_roster()
        if record is None:
            raise NoRoster
        return Roster.decode(record.body)

    async def stop(self, study_id: str) -> None:
        """End the study after the trials that are under way."""
        await self._tools.store.get_study(study_id)
        running = self._running.get(study_id)
        if running is None:
            return
        if running.search is not None:
            running.search.stop()
        elif running.task is not None:
            running.task.cancel()
            await self._tools.store.set_study_state(study_id, StudyState.STOPPED, outcome={"reason": "operator"})
            self._end(study_id)

    async def close(self) -> None:
        """Leave every study where it stands; the next start takes it up."""
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, record: StudyRecord, study: Study) -> None:
        running = Running(record, study, Progress())
        self._running[record.study_id] = running
        running.task = asyncio.create_task(self._run(running), name=f"study {record.study_id}")

    async def _run(self, running: Running) -> None:
        study_id = running.record.study_id
        while True:
            try:
                state, outcome = await self._outcome(running)
                await self._tools.store.set_study_state(study_id, state, outcome=outcome)
                break
            except UNUSABLE as error:
                # Nothing may be decided that cannot be stored: go on where the store stands, once it takes changes.
                LOG.error("study %s waits: %s", study_id, error.message)
                running.halted = error
                self._tools.fleet.notify()
                await asyncio.sleep(STORE_RETRY_SECONDS)
        self._end(study_id)

    async def _outcome(self, running: Running) -> tuple[StudyState, Json]:
        """How the study ended; raises only where the store cannot be used."""
        study_id = running.record.study_id
        try:
            reason = await self._live(running)
        except UNUSABLE:
            raise
        except AutoglmError as error:
            LOG.warning("study %s failed: %s", study_id, error.code)
            return StudyState.FAILED, {"code": error.code, "message": error.message, **error.data}
        except Exception:
            # A defect of this program: the study is marked, the daemon lives on, and the log has the trace.
            LOG.exception("study %s failed by a defect", study_id)
            return StudyState.FAILED, {
                "code": "internal",
                "message": "a defect of the coordinator; its log has the trace",
            }
        return StudyState.STOPPED if reason == "operator" else StudyState.COMPLETED, {"reason": reason}

    async def _live(self, running: Running) -> str:
        # A change that passes shows that the store is usable (again).
        await self._tools.store.add_study_time(running.record.study_id, timedelta())
        running.halted = None
        await verify_model(running.study)
        context = await self._approved(running)
        await self._tools.store.set_study_state(context.study_id, StudyState.RUNNING)
        context = replace(context, constants=await sum_constants(context, self._tools))
        before = (await self._tools.store.get_study(context.study_id)).active.total_seconds()
        study, roster = context.study, context.roster
        required = minimum_cohort(study, roster)

        async def still_approved() -> None:
            await self.require_approvals(context.study_id, context.sites, required)
            self._tools.sessions.require_trusted(context)

        running.search = Search(context, self._tools, seconds_before=before, still_approved=still_approved)
        reason = await running.search.run()
        await finish(context, self._tools, reason, running.search)
        return reason

    def _end(self, study_id: str) -> None:
        self._running.pop(study_id, None)
        for link in self._tools.fleet.links():
            link.send(EndStudy(study_id))
        self._tools.fleet.notify()

    async def _approved(self, running: Running) -> StudyContext:
        """Wait until every wanted agent's administrator decided.

        Raises:
            TooFewApprovals: the sites that approved are too few.
        """
        record = running.record
        wanted = await self._tools.store.get_stage(wanted_key(record.study_id))
        if wanted is None:
            raise NoSite(data=running.study.data, workload=running.study.workload, sites=0, required=1)
        agents = agents_of(wanted)
        running.wanted, running.sites_wanted = len(agents), len(wanted["sites"])
        offered: dict[str, Link] = {}
        while True:
            decisions = await self._decisions(record.study_id)
            running.approved = sum(decisions.get(agent, False) for agent in agents)
            undecided = [agent for agent in agents if agent not in decisions]
            if not undecided:
                return await self._context(running, wanted, decisions)
            for agent in undecided:
                self._offer(record, agent, offered)
            await self._tools.fleet.changed(5.0)

    async def _decisions(self, study_id: str) -> dict[str, bool]:
        """Who approved and who did not, by agent id."""
        return {entry.agent_id: entry.approved for entry in await self._tools.store.list_decisions(study_id)}

    async def answers(self, study_id: str) -> dict[str, str]:
        """What each agent whose yes is wanted answered, by name: `ok`, why not, or nothing for not yet."""
        store = self._tools.store
        wanted = await store.get_stage(wanted_key(study_id))
        codes = {entry.agent_id: entry.code for entry in await store.list_decisions(study_id)}
        names = {entry.agent_id: entry.name for entry in await store.list_agents()}
        return {names[agent]: codes.get(agent, "") for agent in ([] if wanted is None else agents_of(wanted))}

    async def require_approvals(self, study_id: str, sites: Iterable[str], required: int) -> None:
        """Raise `TooFewApprovals` unless at least `required` of `sites` approve still."""
        decisions = await self._decisions(study_id)
        approved = sum(decisions.get(site, False) for site in sites)
        if approved < required:
            others = [f"{name}: {code}" for name, code in (await self.answers(study_id)).items() if code != "ok"]
            raise TooFewApprovals(approved=approved, required=required, others=", ".join(others))

    def _offer(self, record: StudyRecord, agent_id: str, offered: dict[str, Link]) -> None:
        link = self._tools.fleet.link(agent_id)
        # Once on every stream: an agent that came back is asked again.
        if link is not None and offered.get(agent_id) is not link:
            link.send(OfferStudy(record.study_id, record.body, record.roster_hash))
            offered[agent_id] = link

    async def _context(self, running: Running, wanted: Json, decisions: Mapping[str, bool]) -> StudyContext:
        record, study = running.record, running.study
        roster = Roster.decode((await self._tools.store.get_roster(record.roster_hash)).body)
        devices = {
            name: tuple(agent for agent in group if decisions[agent]) for name, group in wanted["devices"].items()
        }
        context = StudyContext(
            study_id=record.study_id,
            study=study,
            workload=load_workload(study.workload),
            roster=roster,
            sites=tuple(sorted(site for site in wanted["sites"] if decisions[site])),
            devices=devices,
            progress=running.progress,
        )
        return replace(context, sites=await self._fixed_sites(context))

    async def _fixed_sites(self, context: StudyContext) -> tuple[str, ...]:
        """The study's sites, as they were when it began to run.

        Constants were summed over all of them, and would not be given again over others. Whoever withdraws later, or
        is barred, is missing from cohorts.

        Raises:
            TooFewApprovals, SitesBarred: a cohort is not to be had.
        """
        store, key = self._tools.store, cohort_key(context.study_id)
        stored = await store.get_stage(key)
        if stored is not None:
            context = replace(context, sites=tuple(stored["sites"]))
        required = minimum_cohort(context.study, context.roster)
        await self.require_approvals(context.study_id, context.sites, required)
        self._tools.sessions.require_trusted(context)
        if stored is None:
            trusted = [site for site in context.sites if site not in self._tools.blames.barred]
            stored = await store.put_stage("COHORT", key, {"sites": trusted})
        return tuple(stored["sites"])


def agents_of(wanted: Json) -> list[str]:
    """Ids of all whose yes is wanted."""
    return [*wanted["sites"], *(agent for group in wanted["devices"].values() for agent in group)]
