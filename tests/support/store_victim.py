"""A coordinator's store in a process of its own, to be killed or starved: says on stdout what was acknowledged."""

from __future__ import annotations

import asyncio
import resource
import sys
from dataclasses import replace
from pathlib import Path

from autoglm_coordinator.store.api import Store
from autoglm_coordinator.store.errors import StorageFull
from autoglm_coordinator.store.sql import open_store
from support.stores import first_round, next_round

SAID = "acknowledged"


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def rounds_until_killed(store: Store) -> None:
    """Commit rounds for ever, one after the other."""
    record = await first_round(store)
    while True:
        await store.commit_round(record)
        say(SAID, record.round, record.model)
        record = await next_round(store, record)


async def rounds_until_full(store: Store) -> None:
    """Commit rounds until a file may not grow any more; then show that reading still works."""
    record = await first_round(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    try:
        while True:
            await store.commit_round(record)
            say(SAID, record.round, record.model)
            record = await next_round(store, record)
            record = replace(record, counters={"filling": "x" * 30_000})
    except StorageFull:
        say("full", len(await store.rounds(record.tune_key)))


async def main(story: str, state: Path) -> None:
    store = open_store(state)
    try:
        await {"killed": rounds_until_killed, "full": rounds_until_full}[story](store)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
