"""When a site counts as one that broke the secure sum, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from autoglm_coordinator.federation.blame import Blames, Verdicts
from autoglm_coordinator.store.api import AgentRecord, Store
from autoglm_core.privacy.blame import BlameCode
from support.manual_clock import START, ManualClock
from support.secure_sum_wire import Deployment
from support.stores import deployment

Story = Callable[[Blames, Verdicts], Awaitable[None]]
SITES = Deployment.of(7)
SPEC = SITES.spec()
DEALER, OTHER = SPEC.cohort[0], SPEC.cohort[1]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Story], None]:
    """Runs a story over a store in which every site has joined; each is a life of its own."""
    life = deployment("sqlite", tmp_path)

    def run(story: Story) -> None:
        async def whole(store: Store) -> None:
            if not await store.list_agents():
                for site in SITES.roster.sites:
                    await store.put_agent(AgentRecord(site.site_id, site.name, site.public_key, START))
            blames = Blames(store, ManualClock())
            await blames.load()
            await story(blames, Verdicts(SPEC, SITES.roster, blames))

        life.run(whole)

    return run


def test_no_more_accusers_than_may_lie_blame_nobody(told: Callable[[Story], None]) -> None:
    accusers = SPEC.cohort[1 : 1 + SPEC.colluders]

    async def story(blames: Blames, verdicts: Verdicts) -> None:
        for accuser in (*accusers, *accusers, DEALER):
            await verdicts.accuse(accuser, DEALER)
            await verdicts.accuse(accuser, "nobody")
        assert not blames.barred
        await verdicts.accuse(SPEC.cohort[-1], OTHER)
        assert not blames.barred, "accusations of two sites do not add up"
        await verdicts.accuse(SPEC.cohort[-1], DEALER)
        assert blames.barred == {DEALER: "accused"}
        assert verdicts.named == "S00 (accused)"

    told(story)


def test_a_blame_outlives_the_coordinator_and_ends_with_the_readmission(told: Callable[[Story], None]) -> None:
    async def first(blames: Blames, verdicts: Verdicts) -> None:
        await verdicts.blame(DEALER, BlameCode.BAD_SHARE)
        await verdicts.blame(DEALER, BlameCode.BAD_DEALER)

    async def second(blames: Blames, verdicts: Verdicts) -> None:
        assert blames.barred == {DEALER: "bad-share"}
        await blames.readmit(DEALER)
        assert not blames.barred

    async def third(blames: Blames, verdicts: Verdicts) -> None:
        assert not blames.barred

    for story in (first, second, third):
        told(story)


def test_a_sum_is_repeatable_unless_shares_went_out_over_a_list_with_the_blamed_site(
    told: Callable[[Story], None],
) -> None:
    async def story(blames: Blames, verdicts: Verdicts) -> None:
        await verdicts.blame(DEALER, BlameCode.BAD_DEALER)
        assert verdicts.repeatable, "nobody survived yet"
        verdicts.survivors = SPEC.cohort[1:]
        assert verdicts.repeatable
        verdicts.survivors = SPEC.cohort
        assert not verdicts.repeatable

    told(story)
