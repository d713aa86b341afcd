"""Small parts of an agent's work: waiting, and not doing the same thing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from autoglm_agent.backoff import CAP_SECONDS, Backoff
from autoglm_agent.contribution import Computations
from autoglm_workloads.child.host import Reply

NOTHING = Reply({}, [])


@pytest.mark.parametrize(("draw", "share"), [(0.0, 0.5), (0.999999, 1.0)])
def test_waits_double_from_soon_to_the_cap_and_begin_anew_after_success(draw: float, share: float) -> None:
    delays = Backoff(lambda: draw)
    waits = [delays.next() for _ in range(12)]
    assert waits[0] == pytest.approx(0.05 * share, rel=1e-3)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(CAP_SECONDS * share, rel=1e-3)
    delays.reset()
    assert delays.next() == waits[0]


def counting(began: list[str], gate: asyncio.Event, name: str) -> Callable[[], Coroutine[Any, Any, Reply]]:
    async def work() -> Reply:
        began.append(name)
        try:
            await gate.wait()
        except asyncio.CancelledError:
            began.append(f"{name} stopped")
            raise
        return NOTHING

    return work


def test_a_session_tried_again_takes_the_work_of_the_first() -> None:
    async def story() -> list[str]:
        began, gate, computations = list[str](), asyncio.Event(), Computations()
        first = asyncio.create_task(computations.result("s", "k", counting(began, gate, "first")))
        await asyncio.sleep(0)
        first.cancel()  # the session was aborted by a peer
        await asyncio.gather(first, return_exceptions=True)
        again = asyncio.create_task(computations.result("s", "k", counting(began, gate, "again")))
        gate.set()
        assert await again is NOTHING
        return began

    assert asyncio.run(story()) == ["first"]


def test_other_work_of_the_study_stops_what_nobody_wants() -> None:
    async def story() -> list[str]:
        began, gate, computations = list[str](), asyncio.Event(), Computations()
        first = asyncio.create_task(computations.result("s", "k", counting(began, asyncio.Event(), "first")))
        await asyncio.sleep(0)  # the session's task begins the work ...
        await asyncio.sleep(0)  # ... and the work's own task begins
        first.cancel()
        other = asyncio.create_task(computations.result("s", "l", counting(began, gate, "other")))
        gate.set()
        await other
        return began

    assert asyncio.run(story()) == ["first", "first stopped", "other"]


def test_failed_work_is_done_again() -> None:
    async def failing() -> Reply:
        raise OSError

    async def story() -> list[str]:
        began, gate, computations = list[str](), asyncio.Event(), Computations()
        gate.set()
        with pytest.raises(OSError):
            await computations.result("s", "k", failing)
        await computations.result("s", "k", counting(began, gate, "again"))
        return began

    assert asyncio.run(story()) == ["again"]
