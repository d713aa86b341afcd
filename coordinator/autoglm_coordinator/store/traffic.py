"""What sites sent and received, in SQL."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.records import TrafficRecord


class TrafficTables:
    """`TrafficStore`."""

    _database: Database

    async def add_traffic(self, traffic: TrafficRecord) -> None:
        """See `TrafficStore`."""
        columns = tables.traffic.c
        mine = update(tables.traffic).where(columns.session_id == traffic.session_id)
        more = mine.values(bytes=columns.bytes + traffic.bytes)

        def change(connection: Connection) -> None:
            if not connection.execute(more).rowcount:
                connection.execute(insert(tables.traffic).values(**asdict(traffic)))

        await self._database.write(change)

    async def study_bytes(self, study_id: str) -> int:
        """See `TrafficStore`."""
        return await self._bytes(tables.traffic.c.study_id == study_id)

    async def tune_bytes(self, tune_key: str) -> int:
        """See `TrafficStore`."""
        return await self._bytes(tables.traffic.c.trial == tune_key)

    async def _bytes(self, which: ColumnElement[bool]) -> int:
        query = select(func.coalesce(func.sum(tables.traffic.c.bytes), 0)).where(which)
        return int(await self._database.read(lambda connection: connection.execute(query).scalar_one()))
