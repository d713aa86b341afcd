"""Agents, tokens, certificates and revocations in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, literal, select, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import NameTaken, TokenExpired, TokenUsed, UnknownAgent, UnknownToken
from autoglm_coordinator.store.records import AgentRecord, CertificateRecord, TokenRecord
from autoglm_core.canonical import Json
from autoglm_core.identity import Role


class EnrolmentTables:
    """`EnrolmentStore` but for rosters and audit heads."""

    _database: Database

    async def put_agent(self, agent: AgentRecord) -> None:
        """See `EnrolmentStore`."""
        await self._database.write(lambda connection: _put_agent(connection, agent))

    async def describe_agent(self, agent_id: str, facts: Json) -> None:
        """See `EnrolmentStore`."""

        def change(connection: Connection) -> None:
            statement = update(tables.agents).where(tables.agents.c.agent_id == agent_id).values(facts=facts)
            if not connection.execute(statement).rowcount:
                raise UnknownAgent(agent_id=agent_id)

        await self._database.write(change)

    async def get_agent(self, agent_id: str) -> AgentRecord:
        """See `EnrolmentStore`."""
        query = select(tables.agents).where(tables.agents.c.agent_id == agent_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise UnknownAgent(agent_id=agent_id)
        return _agent(row)

    async def list_agents(self) -> list[AgentRecord]:
        """See `EnrolmentStore`."""
        query = select(tables.agents).order_by(tables.agents.c.name, tables.agents.c.joined)
        return [_agent(row) for row in await self._database.read(lambda connection: connection.execute(query).all())]

    async def revoke_agent(self, agent_id: str, identity: str, now: datetime) -> None:
        """See `EnrolmentStore`."""

        def change(connection: Connection) -> None:
            first = func.coalesce(tables.agents.c.revoked, literal(now, tables.Instant()))
            statement = update(tables.agents).where(tables.agents.c.agent_id == agent_id).values(revoked=first)
            if not connection.execute(statement).rowcount:
                raise UnknownAgent(agent_id=agent_id)
            _revoke(connection, identity, now)

        await self._database.write(change)

    async def revoke_identity(self, identity: str, now: datetime) -> None:
        """See `EnrolmentStore`."""
        await self._database.write(lambda connection: _revoke(connection, identity, now))

    async def revocations(self) -> frozenset[str]:
        """See `EnrolmentStore`."""
        query = select(tables.revocations.c.identity)
        return frozenset(await self._database.read(lambda connection: connection.execute(query).scalars().all()))

    async def add_token(self, token: TokenRecord) -> None:
        """See `EnrolmentStore`."""
        statement = insert(tables.tokens).values(**asdict(token))
        await self._database.write(lambda connection: connection.execute(statement) and None)

    async def find_token(self, token_hash: str, now: datetime) -> TokenRecord:
        """See `EnrolmentStore`."""
        return await self._database.read(lambda connection: _find_token(connection, token_hash, now))

    async def use_token(self, token_hash: str, now: datetime) -> TokenRecord:
        """See `EnrolmentStore`."""
        return await self._database.write(lambda connection: _use_token(connection, token_hash, now))

    async def enrol(
        self, token_hash: str, certificate: CertificateRecord, *, agent: AgentRecord | None, now: datetime
    ) -> None:
        """See `EnrolmentStore`."""

        def change(connection: Connection) -> None:
            _use_token(connection, token_hash, now)
            if agent is not None:
                _put_agent(connection, agent)
            _put_certificate(connection, certificate)

        await self._database.write(change)

    async def put_certificate(self, certificate: CertificateRecord) -> None:
        """See `EnrolmentStore`."""
        await self._database.write(lambda connection: _put_certificate(connection, certificate))

    async def certificates(self, identity: str) -> list[CertificateRecord]:
        """See `EnrolmentStore`."""
        columns = tables.certificates.c
        query = select(tables.certificates).where(columns.identity == identity).order_by(columns.issued, columns.serial)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [CertificateRecord(**row._mapping) for row in rows]


def _agent(row: Row[Any]) -> AgentRecord:
    return AgentRecord(**row._mapping)


def _put_agent(connection: Connection, agent: AgentRecord) -> None:
    columns = tables.agents.c
    holders = select(columns.agent_id).where(columns.name == agent.name, columns.revoked.is_(None))
    if connection.execute(holders).first() is not None:
        raise NameTaken(name=agent.name)
    connection.execute(insert(tables.agents).values(**asdict(agent)))


def _revoke(connection: Connection, identity: str, now: datetime) -> None:
    known = select(tables.revocations).where(tables.revocations.c.identity == identity)
    if connection.execute(known).first() is None:
        connection.execute(insert(tables.revocations).values(identity=identity, revoked=now))


def _find_token(connection: Connection, token_hash: str, now: datetime) -> TokenRecord:
    row = connection.execute(select(tables.tokens).where(tables.tokens.c.hash == token_hash)).one_or_none()
    if row is None:
        raise UnknownToken()
    if row.used is not None:
        raise TokenUsed()
    if row.expires <= now:
        raise TokenExpired()
    return TokenRecord(hash=row.hash, name=row.name, role=Role(row.role), expires=row.expires)


def _use_token(connection: Connection, token_hash: str, now: datetime) -> TokenRecord:
    token = _find_token(connection, token_hash, now)
    connection.execute(update(tables.tokens).where(tables.tokens.c.hash == token_hash).values(used=now))
    return token


def _put_certificate(connection: Connection, certificate: CertificateRecord) -> None:
    connection.execute(insert(tables.certificates).values(**asdict(certificate)))
