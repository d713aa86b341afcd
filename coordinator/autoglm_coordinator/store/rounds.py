"""The stage cache and the rounds of every TUNE in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.artifacts import ArtifactFiles
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import RoundAlreadyCommitted, RoundGap, UnknownArtifact
from autoglm_coordinator.store.records import RoundRecord
from autoglm_coordinator.store.running_sums import RunningSums
from autoglm_coordinator.store.sessions import forget_session
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.training_cost import TrainingCost


class TuneTables:
    """`TuneStore`."""

    _database: Database
    _files: ArtifactFiles
    _sums: RunningSums

    async def get_stage(self, key: str) -> Json | None:
        """See `TuneStore`."""
        return await self._database.read(lambda connection: _stage(connection, key))

    async def put_stage(self, kind: str, key: str, result: Json, *, session_id: bytes | None = None) -> Json:
        """See `TuneStore`."""

        def change(connection: Connection) -> tuple[Json, int | None]:
            freed = None if session_id is None else forget_session(connection, session_id)
            return _put_stage(connection, kind, key, result), freed

        stored, freed = await self._database.write(change)
        self._sums.free(freed)
        return stored

    async def put_stages(self, kind: str, results: Mapping[str, Json], *, session_id: bytes) -> None:
        """See `TuneStore`."""

        def change(connection: Connection) -> int | None:
            for key, result in results.items():
                _put_stage(connection, kind, key, result)
            return forget_session(connection, session_id)

        self._sums.free(await self._database.write(change))

    async def latest_round(self, tune_key: str) -> RoundRecord | None:
        """See `TuneStore`."""
        row = await self._database.read(lambda connection: connection.execute(_latest(tune_key)).one_or_none())
        return None if row is None else _round(row)

    async def rounds(self, tune_key: str) -> list[RoundRecord]:
        """See `TuneStore`."""
        columns = tables.rounds.c
        query = select(tables.rounds).where(columns.tune_key == tune_key).order_by(columns.round)
        return [_round(row) for row in await self._database.read(lambda connection: connection.execute(query).all())]

    async def study_cost(self, study_id: str) -> TrainingCost:
        """See `TuneStore`."""
        query = select(tables.rounds.c.cost).where(tables.rounds.c.study_id == study_id)
        rows = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return TrainingCost.of_rounds(map(TrainingCost.from_json, rows))

    async def commit_round(self, record: RoundRecord) -> None:
        """See `TuneStore`."""

        def change(connection: Connection) -> tuple[str | None, int | None]:
            for sha256 in filter(None, (record.model, record.aggregator_state)):
                if not self._files.exists(sha256):
                    raise UnknownArtifact(sha256=sha256)
            before = _commit_round(connection, record)
            return before, forget_session(connection, record.session_id) if record.session_id else None

        before, freed = await self._database.write(change)
        self._sums.free(freed)
        if before is not None:
            await asyncio.to_thread(self._files.put_aside, before)


def _stage(connection: Connection, key: str) -> Json | None:
    query = select(tables.stages.c.result).where(tables.stages.c.key == key)
    result: Json | None = connection.execute(query).scalar_one_or_none()
    return result


def _put_stage(connection: Connection, kind: str, key: str, result: Json) -> Json:
    stored = _stage(connection, key)
    if stored is None:
        connection.execute(insert(tables.stages).values(kind=kind, key=key, result=result))
    return result if stored is None else stored


def _commit_round(connection: Connection, record: RoundRecord) -> str | None:
    """The weights that the new ones replace, None where there are none."""
    columns = tables.rounds.c
    mine = select(tables.rounds).where(columns.tune_key == record.tune_key, columns.round == record.round)
    row = connection.execute(mine).one_or_none()
    if row is not None:
        if canonical_json(_content(_round(row))) != canonical_json(_content(record)):
            raise RoundAlreadyCommitted(round=record.round)
        return None
    latest = connection.execute(_latest(record.tune_key)).one_or_none()
    if latest is not None and record.round != latest.round + 1:
        raise RoundGap(expected=latest.round + 1, received=record.round)
    connection.execute(insert(tables.rounds).values(**_values(record)))
    return None if latest is None else str(latest.model)


def _latest(tune_key: str) -> Select[Any]:
    columns = tables.rounds.c
    return select(tables.rounds).where(columns.tune_key == tune_key).order_by(columns.round.desc()).limit(1)


def _values(record: RoundRecord) -> Json:
    return {
        "tune_key": record.tune_key,
        "round": record.round,
        "model": record.model,
        "aggregator_state": record.aggregator_state,
        "counters": record.counters,
        "survivors": list(record.survivors),
        "dropped": list(record.dropped),
        "session_id": record.session_id,
        "study_id": record.study_id,
        "cost": record.cost.to_json(),
    }


def _content(record: RoundRecord) -> Json:
    return {**_values(record), "session_id": record.session_id.hex()}


def _round(row: Row[Any]) -> RoundRecord:
    values = dict(row._mapping)
    sites = {name: tuple(values[name]) for name in ("survivors", "dropped")}
    return RoundRecord(**{**values, **sites, "cost": TrainingCost.from_json(values["cost"])})
