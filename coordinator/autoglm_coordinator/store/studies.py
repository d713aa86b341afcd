"""Studies and administrators' decisions in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import IllegalStudyTransition, StudyExists, UnknownStudy
from autoglm_coordinator.store.records import STUDY_TRANSITIONS, DecisionRecord, StudyRecord, StudyState
from autoglm_coordinator.store.rosters import require_agent
from autoglm_core.canonical import Json

_MICROSECOND = timedelta(microseconds=1)


class StudyTables:
    """`StudyStore` but for trials."""

    _database: Database

    async def put_study(self, study: StudyRecord, *, idempotency_key: str) -> StudyRecord:
        """See `StudyStore`."""
        columns = tables.studies.c

        def change(connection: Connection) -> StudyRecord:
            same = select(tables.studies).where(
                (columns.idempotency_key == idempotency_key) | (columns.study_id == study.study_id)
            )
            rows = connection.execute(same).all()
            if not rows:
                connection.execute(insert(tables.studies).values(idempotency_key=idempotency_key, **_values(study)))
                return study
            if len(rows) == 1 and (rows[0].idempotency_key, rows[0].hash) == (idempotency_key, study.hash):
                return _study(rows[0])
            raise StudyExists(study_id=rows[0].study_id)

        return await self._database.write(change)

    async def get_study(self, study_id: str) -> StudyRecord:
        """See `StudyStore`."""
        return _study(await self._database.read(lambda connection: require_study(connection, study_id)))

    async def list_studies(self) -> list[StudyRecord]:
        """See `StudyStore`."""
        query = select(tables.studies).order_by(tables.studies.c.created, tables.studies.c.study_id)
        return [_study(row) for row in await self._database.read(lambda connection: connection.execute(query).all())]

    async def set_study_state(self, study_id: str, state: StudyState, *, outcome: Json | None = None) -> None:
        """See `StudyStore`."""

        def change(connection: Connection) -> None:
            present = StudyState(require_study(connection, study_id).state)
            if present is state:
                return
            if state not in STUDY_TRANSITIONS[present]:
                raise IllegalStudyTransition(study_id=study_id, state=str(present), asked=str(state))
            mine = update(tables.studies).where(tables.studies.c.study_id == study_id)
            connection.execute(mine.values(state=str(state), outcome=outcome or {}))

        await self._database.write(change)

    async def add_study_time(self, study_id: str, active: timedelta) -> None:
        """See `StudyStore`."""
        columns = tables.studies.c
        total = columns.active_microseconds + active // _MICROSECOND
        statement = update(tables.studies).where(columns.study_id == study_id).values(active_microseconds=total)

        def change(connection: Connection) -> None:
            if not connection.execute(statement).rowcount:
                raise UnknownStudy(study_id=study_id)

        await self._database.write(change)

    async def put_decision(self, decision: DecisionRecord) -> None:
        """See `StudyStore`."""
        columns = tables.decisions.c
        mine = (columns.study_id == decision.study_id) & (columns.agent_id == decision.agent_id)

        def change(connection: Connection) -> None:
            require_study(connection, decision.study_id)
            require_agent(connection, decision.agent_id)
            if not connection.execute(update(tables.decisions).where(mine).values(**asdict(decision))).rowcount:
                connection.execute(insert(tables.decisions).values(**asdict(decision)))

        await self._database.write(change)

    async def list_decisions(self, study_id: str) -> list[DecisionRecord]:
        """See `StudyStore`."""
        columns = tables.decisions.c
        query = select(tables.decisions).where(columns.study_id == study_id).order_by(columns.agent_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [DecisionRecord(**row._mapping) for row in rows]


def require_study(connection: Connection, study_id: str) -> Row[Any]:
    """The study's row. Raises `UnknownStudy`."""
    row = connection.execute(select(tables.studies).where(tables.studies.c.study_id == study_id)).one_or_none()
    if row is None:
        raise UnknownStudy(study_id=study_id)
    return row


def _values(study: StudyRecord) -> Json:
    return {
        "study_id": study.study_id,
        "hash": study.hash,
        "body": study.body,
        "roster_hash": study.roster_hash,
        "created": study.created,
        "state": str(study.state),
        "active_microseconds": study.active // _MICROSECOND,
        "outcome": study.outcome,
    }


def _study(row: Row[Any]) -> StudyRecord:
    return StudyRecord(
        study_id=row.study_id,
        hash=row.hash,
        body=row.body,
        roster_hash=row.roster_hash,
        created=row.created,
        state=StudyState(row.state),
        active=row.active_microseconds * _MICROSECOND,
        outcome=row.outcome,
    )
