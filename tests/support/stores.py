"""Store implementations under test, and small records to fill them with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import create_engine

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.api import AgentRecord, RoundRecord, Store, StudyRecord
from autoglm_coordinator.store.sql import open_store
from autoglm_core.canonical import digest
from autoglm_core.configuration import Configuration
from autoglm_core.trial import Trial
from support.manual_clock import START

POSTGRESQL = "AUTOGLM_TEST_POSTGRESQL"
"""URL of an empty database whose tables a test run may drop."""

T = TypeVar("T")


@dataclass(frozen=True)
class Deployment:
    """A state folder and its store; every `run` opens the store anew, as a restart does."""

    state: Path
    url: str | None = None

    def run(self, story: Callable[[Store], Awaitable[T]]) -> T:
        async def whole() -> T:
            store: Store = open_store(self.state, url=self.url)
            try:
                return await story(store)
            finally:
                await store.close()

        return asyncio.run(whole())


def deployment(kind: str, folder: Path) -> Deployment:
    """An empty deployment of `kind` "sqlite" or "postgresql"; skips where there is no server."""
    if kind == "sqlite":
        return Deployment(folder / "state")
    url = os.environ.get(POSTGRESQL)
    if url is None:
        pytest.skip(f"no PostgreSQL server: set {POSTGRESQL} to the URL of an empty database")
    engine = create_engine(url)
    tables.metadata.drop_all(engine)
    engine.dispose()
    return Deployment(folder / "state", url)


def agent(name: str = "st-mary") -> AgentRecord:
    return AgentRecord(agent_id=f"{name}-1", name=name, site_key=b"k" * 32, joined=START)


def study(study_id: str = "heart-1") -> StudyRecord:
    body = b'{"name":"heart"}'
    return StudyRecord(study_id=study_id, hash=digest(body), body=body, roster_hash="a" * 64, created=START)


def trial(number: int = 1) -> Trial:
    return Trial(number=number, configuration=Configuration(tune={"width": 16 * number}, deploy={"threads": 1}))


async def first_round(store: Store, *, tune_key: str = "t" * 64) -> RoundRecord:
    model = await store.put_artifact(b"initial weights")
    return RoundRecord(tune_key=tune_key, round=0, model=model, aggregator_state=None, counters={})


async def next_round(store: Store, record: RoundRecord) -> RoundRecord:
    model = await store.put_artifact(f"weights after {record.round + 1}".encode())
    state = await store.put_artifact(b"momentum")
    return replace(
        record,
        round=record.round + 1,
        model=model,
        aggregator_state=state,
        counters={"rows": [320], "loss": [17]},
        survivors=("a", "b", "c"),
        dropped=("d",),
        session_id=bytes([record.round + 1]) * 32,
    )
