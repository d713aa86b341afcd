"""Trainings of several studies at one site: side by side where they fit together, in turn where they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from autoglm_agent.training_room import TrainingRoom
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.workload import EstimatesMemory
from autoglm_workloads.child.host import Reply
from autoglm_workloads.registry import load_workload
from support.agent_contributions import TUNE, Child, contribution, line_with_weights
from support.text_cases import TEXT_CASES, TextCase, shelf
from support.text_models import on_shelf


class Site:
    """Trainings that end when a test says so; `running`: those that have begun and not ended."""

    def __init__(self, limit: int | None) -> None:
        self.running: list[str] = []
        self._room = TrainingRoom(limit)
        self._ends: dict[str, asyncio.Event] = {}
        self._work: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, size: int) -> None:
        self._ends[name] = asyncio.Event()
        self._work[name] = asyncio.create_task(self._train(name, size))
        await self._settle()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._work[name]
        await self._settle()

    async def cancel(self, name: str) -> None:
        self._work[name].cancel()
        await asyncio.gather(self._work[name], return_exceptions=True)
        await self._settle()

    async def _train(self, name: str, size: int) -> None:
        async with self._room.taken(size):
            self.running.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.running.remove(name)

    async def _settle(self) -> None:
        """Let everything run that can: none of it waits for more than a few turns of the loop."""
        for _ in range(10):
            await asyncio.sleep(0)


async def fit_together(site: Site) -> None:
    await site.begin("a", 60)
    await site.begin("b", 40)
    assert site.running == ["a", "b"]


async def wait_in_order(site: Site) -> None:
    await site.begin("a", 60)
    await site.begin("b", 50)
    await site.begin("c", 10)
    assert site.running == ["a"], "c would fit, but b came first and must not starve"
    await site.end("a")
    assert site.running == ["b", "c"]


async def larger_than_the_limit(site: Site) -> None:
    await site.begin("a", 60)
    await site.begin("b", 500)
    assert site.running == ["a"]
    await site.end("a")
    assert site.running == ["b"], "its child says whether it fits"


async def given_up(site: Site) -> None:
    await site.begin("a", 60)
    await site.begin("b", 60)
    await site.begin("c", 60)
    await site.cancel("b")  # waiting
    await site.cancel("a")  # running
    assert site.running == ["c"]


async def no_training(site: Site) -> None:
    await site.begin("a", 100)
    await site.begin("b", 100)
    await site.begin("evaluation", 0)
    assert site.running == ["a", "evaluation"]


@pytest.mark.parametrize("story", [fit_together, wait_in_order, larger_than_the_limit, given_up, no_training])
def test_trainings_share_the_memory_that_a_site_allows(story: Callable[[Site], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(Site(100))

    asyncio.run(told())


def test_without_a_limit_all_run() -> None:
    async def told() -> None:
        site = Site(None)
        for name in "abc":
            await site.begin(name, 10**12)
        assert site.running == ["a", "b", "c"]

    asyncio.run(told())


def test_a_training_waits_until_another_studys_has_ended_and_an_evaluation_does_not(tmp_path: Path) -> None:
    case = TEXT_CASES["text-classification"]
    assert isinstance(case, TextCase)

    async def told() -> None:
        line = line_with_weights(tmp_path)
        side = load_workload("text-classification").site_side
        assert isinstance(side, EstimatesMemory)
        room = TrainingRoom(2 * side.training_bytes(case.study, TUNE) - 1)
        first, second, third = Child(), Child(), Child()

        def begin(child: Child, purpose: Purpose, study_id: str) -> asyncio.Task[Reply]:
            computed = contribution(tmp_path, purpose, study_id).compute(line, child, room)  # type: ignore[arg-type]
            return asyncio.create_task(computed)

        async with asyncio.timeout(20):
            work = [begin(first, Purpose.TRAIN, "a")]
            await first.begun.wait()
            work.append(begin(second, Purpose.TRAIN, "b"))
            work.append(begin(third, Purpose.VALIDATE, "c"))
            await third.begun.wait()
            assert (first.asked, second.asked, third.asked) == (["train"], [], ["evaluate"])
            first.answer.set()
            await second.begun.wait()
            for child in (second, third):
                child.answer.set()
            await asyncio.gather(*work)

    with on_shelf(shelf()):
        asyncio.run(told())
