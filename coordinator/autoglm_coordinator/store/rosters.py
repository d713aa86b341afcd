"""Rosters, who accepted them, and the heads of the agents' audit logs in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import AuditConflict, RosterConflict, UnknownAgent, UnknownRoster
from autoglm_coordinator.store.records import AuditHead, RosterRecord


class RosterTables:
    """The rest of `EnrolmentStore`: rosters and audit heads."""

    _database: Database

    async def put_roster(self, roster: RosterRecord) -> None:
        """See `EnrolmentStore`."""

        def change(connection: Connection) -> None:
            known = select(tables.rosters).where(tables.rosters.c.version == roster.version)
            row = connection.execute(known).one_or_none()
            if row is None:
                connection.execute(insert(tables.rosters).values(**asdict(roster)))
            elif row.hash != roster.hash:
                raise RosterConflict(version=roster.version)

        await self._database.write(change)

    async def latest_roster(self) -> RosterRecord | None:
        """See `EnrolmentStore`."""
        query = select(tables.rosters).order_by(tables.rosters.c.version.desc()).limit(1)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else RosterRecord(**row._mapping)

    async def get_roster(self, roster_hash: str) -> RosterRecord:
        """See `EnrolmentStore`."""
        query = select(tables.rosters).where(tables.rosters.c.hash == roster_hash)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise UnknownRoster(roster_hash=roster_hash)
        return RosterRecord(**row._mapping)

    async def accept_roster(self, roster_hash: str, agent_id: str, now: datetime, *, simulated: bool) -> None:
        """See `EnrolmentStore`."""
        columns = tables.roster_acceptances.c
        mine = (columns.roster_hash == roster_hash) & (columns.agent_id == agent_id)

        def change(connection: Connection) -> None:
            require_agent(connection, agent_id)
            if connection.execute(select(tables.rosters).where(tables.rosters.c.hash == roster_hash)).first() is None:
                raise UnknownRoster(roster_hash=roster_hash)
            known = connection.execute(select(columns.simulated).where(mine)).scalar_one_or_none()
            if known is None:
                values = {"roster_hash": roster_hash, "agent_id": agent_id, "accepted": now, "simulated": simulated}
                connection.execute(insert(tables.roster_acceptances).values(**values))
            elif known is not simulated:
                connection.execute(update(tables.roster_acceptances).where(mine).values(simulated=simulated))

        await self._database.write(change)

    async def roster_acceptances(self, roster_hash: str) -> Mapping[str, bool]:
        """See `EnrolmentStore`."""
        columns = tables.roster_acceptances.c
        query = select(columns.agent_id, columns.simulated).where(columns.roster_hash == roster_hash)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.agent_id: row.simulated for row in rows}

    async def put_audit_head(self, agent_id: str, head: AuditHead) -> None:
        """See `EnrolmentStore`."""

        def change(connection: Connection) -> None:
            require_agent(connection, agent_id)
            stored = _audit_head(connection, agent_id)
            if stored is None:
                connection.execute(insert(tables.audit_heads).values(agent_id=agent_id, **asdict(head)))
            elif head.sequence > stored.sequence:
                mine = tables.audit_heads.c.agent_id == agent_id
                connection.execute(update(tables.audit_heads).where(mine).values(**asdict(head)))
            elif (head.sequence, head.head) != (stored.sequence, stored.head):
                raise AuditConflict(agent_id=agent_id, stored=stored.sequence, received=head.sequence)

        await self._database.write(change)

    async def audit_head(self, agent_id: str) -> AuditHead | None:
        """See `EnrolmentStore`."""
        return await self._database.read(lambda connection: _audit_head(connection, agent_id))


def require_agent(connection: Connection, agent_id: str) -> None:
    """Raise `UnknownAgent` unless such an agent joined."""
    query = select(tables.agents.c.agent_id).where(tables.agents.c.agent_id == agent_id)
    if connection.execute(query).first() is None:
        raise UnknownAgent(agent_id=agent_id)


def _audit_head(connection: Connection, agent_id: str) -> AuditHead | None:
    columns = tables.audit_heads.c
    query = select(columns.sequence, columns.head, columns.signature).where(columns.agent_id == agent_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else AuditHead(**row._mapping)
