"""The tables, for SQLite and PostgreSQL; values that nobody queries by are canonical JSON or bytes as carried."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from autoglm_core.canonical import canonical_json

FORMAT = 4
"""Rises with every change of these tables."""

metadata = MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """Microseconds since 1970 in UTC: SQLite has no time type that keeps the zone."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To microseconds; a naive datetime raises TypeError."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Back to UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Canonical(TypeDecorator[Any]):
    """Plain JSON values in their canonical form."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """To canonical JSON."""
        return None if value is None else canonical_json(value).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        """Back to plain values."""
        return None if value is None else json.loads(value)


counters = Table(
    "counters", metadata, Column("name", String, primary_key=True), Column("value", BigInteger, nullable=False)
)

agents = Table(
    "agents",
    metadata,
    Column("agent_id", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("site_key", LargeBinary, nullable=False),
    Column("joined", Instant, nullable=False),
    Column("revoked", Instant),
    Column("facts", Canonical, nullable=False),
)

revocations = Table(
    "revocations", metadata, Column("identity", String, primary_key=True), Column("revoked", Instant, nullable=False)
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("used", Instant),
)

certificates = Table(
    "certificates",
    metadata,
    Column("serial", String, primary_key=True),
    Column("identity", String, nullable=False, index=True),
    Column("issued", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
)

rosters = Table(
    "rosters",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("hash", String, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
)

roster_acceptances = Table(
    "roster_acceptances",
    metadata,
    Column("roster_hash", ForeignKey(rosters.c.hash), primary_key=True),
    Column("agent_id", ForeignKey(agents.c.agent_id), primary_key=True),
    Column("accepted", Instant, nullable=False),
    Column("simulated", Boolean, nullable=False),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("agent_id", ForeignKey(agents.c.agent_id), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

studies = Table(
    "studies",
    metadata,
    Column("study_id", String, primary_key=True),
    Column("idempotency_key", String, nullable=False, unique=True),
    Column("hash", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("roster_hash", String, nullable=False),
    Column("created", Instant, nullable=False),
    Column("state", String, nullable=False),
    Column("active_microseconds", BigInteger, nullable=False),
    Column("outcome", Canonical, nullable=False),
    Column("sampler_state", Canonical),
)

decisions = Table(
    "decisions",
    metadata,
    Column("study_id", ForeignKey(studies.c.study_id), primary_key=True),
    Column("agent_id", ForeignKey(agents.c.agent_id), primary_key=True),
    Column("approved", Boolean, nullable=False),
    Column("code", String, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

trials = Table(
    "trials",
    metadata,
    Column("study_id", ForeignKey(studies.c.study_id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("body", Canonical, nullable=False),
)

stages = Table(
    "stages",
    metadata,
    Column("key", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("result", Canonical, nullable=False),
)

rounds = Table(
    "rounds",
    metadata,
    Column("tune_key", String, primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("model", String, nullable=False),
    Column("aggregator_state", String),
    Column("counters", Canonical, nullable=False),
    Column("survivors", Canonical, nullable=False),
    Column("dropped", Canonical, nullable=False),
    Column("session_id", LargeBinary, nullable=False),
    Column("study_id", String, nullable=False, index=True),
    Column("cost", Canonical, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", LargeBinary, primary_key=True),
    Column("spec", LargeBinary, nullable=False),
    Column("survivors", Canonical, nullable=False),
    Column("running_sum", String, nullable=False),
    Column("place", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
)

blames = Table(
    "blames",
    metadata,
    Column("session_id", LargeBinary, primary_key=True),
    Column("agent_id", ForeignKey(agents.c.agent_id), primary_key=True),
    Column("study_id", String, nullable=False),
    Column("trial", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("code", String, nullable=False),
    Column("blamed", Instant, nullable=False),
    Column("readmitted", Instant),
)

traffic = Table(
    "traffic",
    metadata,
    Column("session_id", LargeBinary, primary_key=True),
    Column("study_id", String, nullable=False, index=True),
    Column("trial", String, nullable=False, index=True),
    Column("round", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

unmask_shares = Table(
    "unmask_shares",
    metadata,
    Column("session_id", ForeignKey(sessions.c.session_id), primary_key=True),
    Column("site_id", String, primary_key=True),
    Column("message", LargeBinary, nullable=False),
)
