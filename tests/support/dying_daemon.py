"""A daemon that a power cut meets at a durable point: the real program, with one method that ends its own process.

    python dying_daemon.py POINT before|after ARGUMENTS OF THE PROGRAM

The process kills itself in the second round of training: at the method's door, after a while in which the disk is
slow and whatever does not wait for it shows; or when the method is done and nobody was told yet. Up to there it is the
product.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from autoglm_agent.command_line import main as agent
from autoglm_agent.ledger import Ledger
from autoglm_coordinator.command_line import main as coordinator
from autoglm_coordinator.store.sql import SqlStore
from autoglm_core.privacy.session_spec import Purpose, SessionSpec

ROUND = 2
SLOW_DISK_SECONDS = 0.3
"""Long enough for a message to be read and answered on the same machine."""
VECTORS_BEFORE = 2
"""A site's vectors before that round: of the constants and of the first round."""


class Point(StrEnum):
    """The durable points of one round: three of the coordinator, two of a site."""

    SURVIVORS = "survivors"
    SHARE = "share"
    ROUND = "round"
    VECTOR = "vector"
    RELEASE = "release"

    @property
    def of_coordinator(self) -> bool:
        """Whether the coordinator has it, else a site."""
        return self in (Point.SURVIVORS, Point.SHARE, Point.ROUND)


class Side(StrEnum):
    """On which side of the point the process ends."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Fatal:
    """`owner.method` ends the process in the call that `is_it` says."""

    program: Callable[[list[str]], int]
    owner: type
    method: str
    is_it: Callable[..., bool]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after_calls(count: int) -> Callable[..., bool]:
    """Whether `count` calls came before this one."""
    calls = iter(range(count + 1))
    return lambda *_, **__: next(calls) == count


def training(spec: bytes) -> bool:
    decoded = SessionSpec.decode(spec)
    return decoded.purpose is Purpose.TRAIN and decoded.round == ROUND


def share_of_training() -> Callable[..., bool]:
    """Shares come under a session id alone: that of the sum whose survivors were stored last."""
    put_survivors, present = SqlStore.put_survivors, [False]

    async def watched(store: SqlStore, session_id: bytes, *, spec: bytes, **more: Any) -> None:
        present[0] = training(spec)
        await put_survivors(store, session_id, spec=spec, **more)

    SqlStore.put_survivors = watched  # type: ignore[method-assign,assignment]
    return lambda *_: present[0]


def fatal(point: Point) -> Fatal:
    match point:
        case Point.SURVIVORS:
            return Fatal(coordinator, SqlStore, "put_survivors", lambda *_, spec, **__: training(spec))
        case Point.SHARE:
            return Fatal(coordinator, SqlStore, "put_unmask_share", share_of_training())
        case Point.ROUND:
            return Fatal(coordinator, SqlStore, "commit_round", lambda _, record: record.round == ROUND)
        case Point.VECTOR:
            return Fatal(agent, Ledger, "use_session", after_calls(VECTORS_BEFORE))
        case Point.RELEASE:
            trained = after_calls(ROUND - 1)
            return Fatal(agent, Ledger, "record_release", lambda _, entry: entry.purpose is Purpose.TRAIN and trained())


def arm(place: Fatal, side: Side) -> None:
    """Put death at one side of the method; the coordinator's are coroutines, the agent's run in a thread."""
    original = getattr(place.owner, place.method)

    async def slow(*words: Any, **more: Any) -> Any:
        now = place.is_it(*words, **more)
        if now and side is Side.BEFORE:
            await asyncio.sleep(SLOW_DISK_SECONDS)
            die()
        result = await original(*words, **more)
        if now:
            die()
        return result

    def quick(*words: Any, **more: Any) -> Any:
        now = place.is_it(*words, **more)
        if now and side is Side.BEFORE:
            time.sleep(SLOW_DISK_SECONDS)
            die()
        result = original(*words, **more)
        if now:
            die()
        return result

    setattr(place.owner, place.method, slow if asyncio.iscoroutinefunction(original) else quick)


if __name__ == "__main__":
    point, side, *arguments = sys.argv[1:]
    place = fatal(Point(point))
    arm(place, Side(side))
    sys.exit(place.program(arguments))
