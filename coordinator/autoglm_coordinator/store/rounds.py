"""The stage cache and the rounds of every TUNE in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.artifacts import ArtifactFiles
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import RoundAlreadyCommitted, RoundGap, UnknownArtifact
from autoglm_coordinator.store.records import RoundRecord
from autoglm_coordinator.store.sessions import forget_session
from autoglm_core.canonical import Json, canonical_json


class TuneTables:
    """`TuneStore`."""

    _database: Database
    _files: ArtifactFiles

    async def get_stage(self, key: str) -> Json | None:
        """See `TuneStore`."""
        return await self._database.read(lambda connection: _stage(connection, key))

    async def put_stage(self, kind: str, key: str, result: Json, *, session_id: bytes | None = None) -> Json:
        """See `TuneStore`."""

        def change(connection: Connection) -> Json:
            if session_id is not None:
                forget_session(connection, session_id)
            return _put_stage(connection, kind, key, result)

        return await self._database.write(change)

    async def put_stages(self, kind: str, results: Mapping[str, Json], *, session_id: bytes) -> None:
        """See `TuneStore`."""

        def change(connection: Connection) -> None:
            forget_session(connection, session_id)
            for key, result in results.items():
                _put_stage(connection, kind, key, result)

        await self._database.write(change)

    async def latest_round(self, tune_key: str) -> RoundRecord | None:
        """See `TuneStore`."""
        columns = tables.rounds.c
        query = select(tables.rounds).where(columns.tune_key == tune_key).order_by(columns.round.desc()).limit(1)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _round(row)

    async def rounds(self, tune_key: str) -> list[RoundRecord]:
        """See `TuneStore`."""
        columns = tables.rounds.c
        query = select(tables.rounds).where(columns.tune_key == tune_key).order_by(columns.round)
        return [_round(row) for row in await self._database.read(lambda connection: connection.execute(query).all())]

    async def commit_round(self, record: RoundRecord) -> None:
        """See `TuneStore`."""

        def change(connection: Connection) -> None:
            for sha256 in filter(None, (record.model, record.aggregator_state)):
                if not self._files.exists(sha256):
                    raise UnknownArtifact(sha256=sha256)
            _commit_round(connection, record)
            if record.session_id:
                forget_session(connection, record.session_id)

        await self._database.write(change)


def _stage(connection: Connection, key: str) -> Json | None:
    query = select(tables.stages.c.result).where(tables.stages.c.key == key)
    result: Json | None = connection.execute(query).scalar_one_or_none()
    return result


def _put_stage(connection: Connection, kind: str, key: str, result: Json) -> Json:
    stored = _stage(connection, key)
    if stored is None:
        connection.execute(insert(tables.stages).values(kind=kind, key=key, result=result))
    return result if stored is None else stored


def _commit_round(connection: Connection, record: RoundRecord) -> None:
    columns = tables.rounds.c
    mine = select(tables.rounds).where(columns.tune_key == record.tune_key, columns.round == record.round)
    row = connection.execute(mine).one_or_none()
    if row is not None:
        if canonical_json(_content(_round(row))) != canonical_json(_content(record)):
            raise RoundAlreadyCommitted(round=record.round)
        return
    latest = connection.execute(select(func.max(columns.round)).where(columns.tune_key == record.tune_key)).scalar_one()
    if latest is not None and record.round != latest + 1:
        raise RoundGap(expected=latest + 1, received=record.round)
    connection.execute(insert(tables.rounds).values(**_values(record)))


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
    }


def _content(record: RoundRecord) -> Json:
    return {**_values(record), "session_id": record.session_id.hex()}


def _round(row: Row[Any]) -> RoundRecord:
    values = dict(row._mapping)
    return RoundRecord(**{**values, "survivors": tuple(values["survivors"]), "dropped": tuple(values["dropped"])})
