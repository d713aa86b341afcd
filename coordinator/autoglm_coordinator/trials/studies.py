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

from autoglm_coordinator.federation.aggregators import load_aggregator
from autoglm_coordinator.federation.sessions import minimum_cohort
from autoglm_coordinator.federation.transport import EndStudy, Link, OfferStudy
from autoglm_coordinator.sampler.registry import check_sampler
from autoglm_coordinator.store.api import StudyRecord, StudyState
from autoglm_coordinator.store.errors import UNUSABLE
from autoglm_coordinator.trials.context import Progress, StudyContext, stage_key
from autoglm_coordinator.trials.finish import finish
from autoglm_coordinator.trials.runner import Search, sum_constants
from autoglm_coordinator.trials.stages import Tools
from autoglm_core.canonical import Json, canonical_json, json_digest
from autoglm_core.clock import Clock
from autoglm_core.configuration import Value
from autoglm_core.errors import AutoglmError, Conflict, InvalidInput, Kind, NotFound
from autoglm_core.privacy.roster import Roster
from autoglm_core.space import CategoricalParameter
from autoglm_core.study import Study
from autoglm_core.study_metrics import check_metrics
from autoglm_workloads.registry import load_workload

LOG = logging.getLogger(__name__)
STORE_RETRY_SECONDS = 5.0
"""Between two tries of a study that waits for its store."""


class NoRoster(Conflict):
    """A study needs a roster and there is none."""

    code = "no-roster"

    def __init__(self) -> None:
        super().__init__("no roster yet: run `autoglm roster propose`, and have each site accept it")


class NoSite(NotFound):
    """No site of the roster declares the study's data."""

    code = "no-site"

    def __init__(self, *, data: str, workload: str, sites: int, required: int) -> None:
        super().__init__(
            f"{sites} sites of the roster declare data {data!r} for {workload}, and the study needs {required}: "
            f"add [data.{data}] to the agents' agent.toml, or correct `data` in the study",
            data=data,
            workload=workload,
            sites=sites,
            required=required,
        )


class NoDevice(NotFound):
    """A device class of the study has no agent."""

    code = "unknown-device-class"

    def __init__(self, *, device_class: str, known: str) -> None:
        super().__init__(
            f"no connected agent is of device class {device_class!r} (there are: {known or 'none'}): "
            "correct `device_classes`, or start an agent with that [device] class",
            device_class=device_class,
            known=known,
        )


class OtherWorkloadVersion(InvalidInput):
    """A study was declared for another version of its workload."""

    code = "other-workload-version"

    def __init__(self, *, workload: str, declared: int, installed: int) -> None:
        super().__init__(
            f"the study was declared for version {declared} of {workload}, and this coordinator has {installed}: "
            "submit it with the `autoglm` of the coordinator's version",
            workload=workload,
            declared=declared,
            installed=installed,
        )


class TooFewApprovals(AutoglmError):
    """Administrators denied the study or withdrew, and too few sites are left. `others`: who, and with which code."""

    code = "too-few-approvals"
    kind = Kind.DENIED

    def __init__(self, *, approved: int, required: int, others: str) -> None:
        super().__init__(
            f"{approved} sites approve and the study needs {required} ({others}): "
            "settle it with their administrators, then submit it with --again",
            approved=approved,
            required=required,
            others=others,
        )


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
            NoRoster, NoSite, NoDevice, or the workload's own error: nothing is stored.
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
            self.check(study, roster)
            await self._tools.store.put_stage("WANTED", _wanted_key(study_id), self._wanted(study, roster))
        record = await self._tools.store.put_study(record, idempotency_key=idempotency_key)
        if record.study_id not in self._running and not record.state.final:
            self._start(record, study)
        return record

    def check(self, study: Study, roster: Roster) -> None:
        """Raise the first reason why the deployment cannot run `study`."""
        workload = load_workload(study.workload)
        if study.workload_version != workload.version:
            raise OtherWorkloadVersion(
                workload=study.workload, declared=study.workload_version, installed=workload.version
            )
        workload.model_side.check(study)
        check_metrics(study, workload.model_side.metrics())
        check_sampler(study)
        for name in aggregators_of(study):
            load_aggregator({"aggregator": name})
        wanted = self._wanted(study, roster)
        required = minimum_cohort(study, roster)
        if len(wanted["sites"]) < required:
            raise NoSite(data=study.data, workload=study.workload, sites=len(wanted["sites"]), required=required)
        known = sorted({entry.device_class for entry in self._tools.fleet.facts() if entry.device_class})
        for device_class in study.device_classes:
            if device_class not in known:
                raise NoDevice(device_class=device_class, known=", ".join(known))

    def concerned(self, study: Study, roster: Roster) -> list[str]:
        """The agents whose yes the study would need."""
        return _agents(self._wanted(study, roster))

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
        context = await self._approved(running)
        await self._tools.store.set_study_state(context.study_id, StudyState.RUNNING)
        context = replace(context, constants=await sum_constants(context, self._tools))
        before = (await self._tools.store.get_study(context.study_id)).active.total_seconds()
        study, roster = context.study, context.roster
        required = minimum_cohort(study, roster)

        async def still_approved() -> None:
            await self.require_approvals(context.study_id, context.sites, required)

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
        wanted = await self._tools.store.get_stage(_wanted_key(record.study_id))
        if wanted is None:
            raise NoSite(data=running.study.data, workload=running.study.workload, sites=0, required=1)
        agents = _agents(wanted)
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
        wanted = await store.get_stage(_wanted_key(study_id))
        codes = {entry.agent_id: entry.code for entry in await store.list_decisions(study_id)}
        names = {entry.agent_id: entry.name for entry in await store.list_agents()}
        return {names[agent]: codes.get(agent, "") for agent in ([] if wanted is None else _agents(wanted))}

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

    def _wanted(self, study: Study, roster: Roster) -> Json:
        """Whose yes the study needs: connected sites of the roster with its data, and devices of its classes."""
        members = {site.site_id for site in roster.sites}
        facts = self._tools.fleet.facts()
        declared = (study.data, study.workload)
        return {
            "sites": [entry.agent_id for entry in facts if entry.agent_id in members and declared in entry.data],
            "devices": {
                name: [entry.agent_id for entry in facts if entry.device_class == name] for name in study.device_classes
            },
        }

    async def _context(self, running: Running, wanted: Json, decisions: Mapping[str, bool]) -> StudyContext:
        record, study = running.record, running.study
        roster = Roster.decode((await self._tools.store.get_roster(record.roster_hash)).body)
        sites = tuple(sorted(site for site in wanted["sites"] if decisions[site]))
        required = minimum_cohort(study, roster)
        await self.require_approvals(record.study_id, sites, required)
        devices = {
            name: tuple(agent for agent in group if decisions[agent]) for name, group in wanted["devices"].items()
        }
        return StudyContext(
            study_id=record.study_id,
            study=study,
            workload=load_workload(study.workload),
            roster=roster,
            sites=sites,
            devices=devices,
            progress=running.progress,
        )


def aggregators_of(study: Study) -> list[Value]:
    """Every aggregator that the study's space may ask for."""
    named = [parameter for parameter in study.space.tune if parameter.name == "aggregator"]
    return [value for parameter in named if isinstance(parameter, CategoricalParameter) for value in parameter.choices]


def _agents(wanted: Json) -> list[str]:
    return [*wanted["sites"], *(agent for group in wanted["devices"].values() for agent in group)]


def _wanted_key(study_id: str) -> str:
    return stage_key("WANTED", study_id)
