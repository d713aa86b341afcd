"""A real coordinator and four scripted agents in its roster, for what sites and strangers may try at a coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from autoglm.processes import wait_until
from autoglm.simulate import Simulation
from autoglm_core.canonical import canonical_json
from autoglm_core.identity import JoinToken
from autoglm_core.privacy.keys import SiteKey
from autoglm_protos import enroll
from support.consortium import TOKEN_VALID, Consortium
from support.scripted_agent import Part, ScriptedAgent
from support.simulations import synthetic
from support.stored import Stored, StoredRound

SITES = ("north", "east", "south", "west")
STRANGER = "stranger"
PATIENCE = 20.0


class ScriptedCohort:
    """`STRANGER` joined like the others and stands in no roster."""

    def __init__(self, consortium: Consortium) -> None:
        self.consortium = consortium
        self.simulation: Simulation = synthetic()
        self.stored = Stored(consortium.coordinator_state)
        self._joined = {name: self._join(name) for name in (*SITES, STRANGER)}
        self._studies = self._rosters = 0

    def _join(self, name: str) -> ScriptedAgent:
        token = JoinToken.parse(self.consortium.client.create_join_token(name, valid=TOKEN_VALID))
        key = SiteKey.generate()
        enrolled = asyncio.run(enroll.join(token, name=name, site_key=key))
        study = self.simulation.study
        return ScriptedAgent(enrolled, key, (study.data, study.workload))

    def fresh(self, name: str) -> ScriptedAgent:
        """The agent of that name, honest and with nothing in memory."""
        known = self._joined[name]
        return ScriptedAgent(known.enrolled, known.key, known.data)

    @asynccontextmanager
    async def study(self, *crooked: ScriptedAgent) -> AsyncIterator[str]:
        """A study of one round over the four sites, which ends well; its id. Who is not `crooked` is honest.

        Whoever was found to cheat in an earlier one takes part again.
        """
        named = {agent.id: agent for agent in (*map(self.fresh, (*SITES, STRANGER)), *crooked)}
        async with AsyncExitStack() as stack:
            for agent in named.values():
                await stack.enter_async_context(agent.connected())
            await asyncio.to_thread(self._agree)
            await asyncio.to_thread(self._readmit)
            self._studies += 1
            for agent in crooked:
                agent.target = f"attacked-{self._studies}"
            study_id = await asyncio.to_thread(self._submit)
            yield study_id
            await asyncio.to_thread(self.consortium.wait_state, study_id, "completed", seconds=PATIENCE)

    def _agree(self) -> None:
        client = self.consortium.client
        if self._rosters == 0:
            client.propose_roster(SITES, minimum_cohort=3)
            self._rosters = 1
        wait_until(lambda: client.roster().accepted, what="the roster", seconds=PATIENCE)

    def _readmit(self) -> None:
        client = self.consortium.client
        for agent in client.agents():
            if agent.barred:
                client.readmit_agent(agent.id)

    def blamed(self, agent: ScriptedAgent) -> list[str]:
        """For what the agent is kept out of every session now."""
        known = next(entry for entry in self.consortium.client.agents() if entry.id == agent.id)
        return [blame.code for blame in known.blames if not blame.readmitted]

    def _submit(self) -> str:
        study = self.simulation.study
        study = replace(
            study,
            name=f"attacked-{self._studies}",
            rounds=1,
            rungs=(1,),
            budget=replace(study.budget, trials=1),
            device_classes=(),
            objectives=tuple(goal for goal in study.objectives if goal.metric == "loss"),
            sampler=replace(study.sampler, seed=self._studies, variants=1),
        )
        body = canonical_json(study.to_json())
        return self.consortium.client.submit(body, idempotency_key=study.name).id

    async def round_of(self, part: Part) -> StoredRound:
        """What was committed of the round that `part` is of."""
        found: list[StoredRound] = []

        def committed() -> bool:
            wanted = (part.spec.trial, part.spec.round)
            found.extend(entry for entry in self.stored.rounds() if (entry.tune_key, entry.round) == wanted)
            return bool(found)

        await asyncio.to_thread(wait_until, committed, what="the round", seconds=PATIENCE)
        return found[0]


@contextmanager
def scripted_cohort(root: Path) -> Iterator[ScriptedCohort]:
    """A running one."""
    with Consortium(root) as consortium:
        yield ScriptedCohort(consortium)
