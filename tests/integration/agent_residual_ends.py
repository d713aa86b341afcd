"""A site's residuals end with its yes: at once where the agent runs, else when it is started again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from autoglm_agent.ledger import Ledger, StudyState
from autoglm_agent.local import ask
from autoglm_compression.updates.mean_delta import mean_delta
from autoglm_core.privacy.session_spec import SessionSpec
from support.agent_coordinator import weights
from support.agent_deployment import deployment, run, running
from support.agent_sites import PARAMETERS, SITES, STUDY_ID, Site, toy_study

STUDY = toy_study(protection={"ring_bits": 16, "random_k": 0.25, "clip": 0.01})


def withdraw(site: Site) -> None:
    """As `autoglm-agent withdraw` writes it."""
    ledger = Ledger(site.state.ledger)
    ledger.decide(STUDY_ID, StudyState.WITHDRAWN)
    ledger.close()


def test_a_withdrawn_yes_takes_the_residuals_with_it(tmp_path: Path) -> None:
    def kept(site: Site) -> int:
        return sum(path.is_file() for path in site.state.residuals.rglob("*"))

    async def story() -> None:
        async with deployment(tmp_path, study=STUDY) as here:
            await here.approved()
            offer = here.offer(weights(0.5, PARAMETERS))
            result = await here.coordinator.sum(offer, here.roster)
            spec = SessionSpec.decode(offer.spec)
            assert result.body_sum.size == spec.parameters == PARAMETERS // 4
            delta = mean_delta(result.body_sum, weight_sum=int(result.tail_sum[0]), spec=spec)
            assert 0.2 * PARAMETERS < (delta != 0).sum() <= PARAMETERS // 4, "a quarter of the parameters moved"
            assert [kept(site) for site in here.sites] == [1] * len(SITES)
            asked, down = here.sites[:2]
            withdraw(asked)
            await asyncio.to_thread(ask, asked.state.socket, {"verb": "decided", "study": STUDY_ID})
            assert [kept(site) for site in here.sites] == [0, 1, 1, 1]
        withdraw(down)
        async with running(down):
            assert [kept(site) for site in here.sites] == [0, 0, 1, 1]

    run(story)
