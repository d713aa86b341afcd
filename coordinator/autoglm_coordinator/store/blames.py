"""Sites that broke the secure sum, in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.records import BlameRecord
from autoglm_coordinator.store.rosters import require_agent


class BlameTables:
    """`BlameStore`."""

    _database: Database

    async def put_blame(self, blame: BlameRecord) -> None:
        """See `BlameStore`."""
        columns = tables.blames.c
        mine = (columns.session_id == blame.session_id) & (columns.agent_id == blame.agent_id)

        def change(connection: Connection) -> None:
            require_agent(connection, blame.agent_id)
            if connection.execute(select(tables.blames).where(mine)).first() is None:
                connection.execute(insert(tables.blames).values(**asdict(blame)))

        await self._database.write(change)

    async def blames(self) -> list[BlameRecord]:
        """See `BlameStore`."""
        query = select(tables.blames).order_by(tables.blames.c.blamed, tables.blames.c.agent_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [BlameRecord(**row._mapping) for row in rows]

    async def readmit(self, agent_id: str, now: datetime) -> None:
        """See `BlameStore`."""
        columns = tables.blames.c
        standing = (columns.agent_id == agent_id) & columns.readmitted.is_(None)

        def change(connection: Connection) -> None:
            require_agent(connection, agent_id)
            connection.execute(update(tables.blames).where(standing).values(readmitted=now))

        await self._database.write(change)
