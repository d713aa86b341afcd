"""Four whole agents and a small coordinator in one process, for stories about what happens between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from autoglm_agent.config import PolicyConfig
from autoglm_agent.daemon import Agent
from autoglm_agent.incoming import SessionOffered
from autoglm_core.canonical import canonical_json
from autoglm_core.privacy.roster import Roster
from autoglm_core.study import Study
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import SmallCoordinator, small_coordinator
from support.agent_sites import (
    SIMULATED,
    SITES,
    STUDY_ID,
    Site,
    make_site,
    make_spec,
    offer_of,
    parameters_manifest,
    roster_of,
    toy_study,
)


@dataclass
class Deployment:
    coordinator: SmallCoordinator
    sites: list[Site]
    roster: Roster
    study: Study

    def offer_study(self, site: Site) -> None:
        """Ask one site for its yes."""
        body = canonical_json(self.study.to_json())
        offer = pb.StudyOffer(study_id=STUDY_ID, study=body, roster_hash=self.roster.hash)
        self.coordinator.send(site.name, pb.CoordinatorMessage(study=offer))

    async def approved(self) -> None:
        """Offer the study to every site and wait for its yes."""
        for site in self.sites:
            self.offer_study(site)
        for site in self.sites:
            decision = await self.coordinator.said(site.name, "decision")
            assert decision.approved, decision.code

    def offer(self, model: bytes, *, sequence: int = 1, **changes: Any) -> SessionOffered:
        """A round over `model`, as honest as `changes` to its spec leave it."""
        self.coordinator.store(model)
        manifest = parameters_manifest(model)
        spec = replace(make_spec(manifest, self.roster, self.study), **changes)
        return offer_of(spec, manifest, sequence=sequence)


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[asyncio.Task[None]]:
    """The agent of `site`, stopped at the end."""
    stop = asyncio.Event()
    async with Agent(site.config) as agent:
        task = asyncio.create_task(agent.run(stop))
        try:
            yield task
        finally:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def deployment(
    root: Path,
    *,
    study: Study | None = None,
    rows: Sequence[bytes | None] = (b"",) * len(SITES),
    policy: PolicyConfig = SIMULATED,
    lifetime: timedelta = timedelta(hours=1),
) -> AsyncIterator[Deployment]:
    """Four connected agents, each with its own of `rows`; the roster is accepted where they are simulated."""
    study = study or toy_study()
    async with AsyncExitStack() as stack:
        coordinator, address = await stack.enter_async_context(small_coordinator())
        sites = [
            make_site(
                root,
                name,
                credentials=coordinator.issue(name, lifetime=lifetime),
                address=address,
                policy=policy,
                data=(study.data, study.workload),
                rows=own,
            )
            for name, own in zip(SITES, rows, strict=True)
        ]
        coordinator.roster = roster_of(sites)
        for site in sites:
            await stack.enter_async_context(running(site))
        await coordinator.connected(lambda: {name for name, _ in coordinator.hellos} == set(SITES))
        yield Deployment(coordinator, sites, coordinator.roster, study)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's story to its end, within a minute."""
    asyncio.run(asyncio.wait_for(story(), 60))
