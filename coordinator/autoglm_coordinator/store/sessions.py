"""Sessions past the point where their survivors are fixed, in SQL; the running sum is a file beside it."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, delete, insert, select

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import DamagedArtifact, SessionConflict, UnknownSession
from autoglm_coordinator.store.records import SessionRecord
from autoglm_coordinator.store.running_sums import RunningSums
from autoglm_core.canonical import digest
from autoglm_core.errors import AutoglmError


class SessionTables:
    """`SessionStore`."""

    _database: Database
    _sums: RunningSums

    async def put_survivors(
        self,
        session_id: bytes,
        *,
        spec: bytes,
        survivors: tuple[str, ...],
        running_sum: bytes | memoryview,
        record: bytes,
    ) -> None:
        """See `SessionStore`."""
        place = self._sums.reserve()
        try:
            sha256, _ = await asyncio.gather(
                asyncio.to_thread(digest, running_sum), asyncio.to_thread(self._sums.write, place, running_sum)
            )
        except AutoglmError:
            self._sums.free(place)
            raise
        session = SessionRecord(session_id, spec, survivors, sha256, place, record)
        # From here on the place may be referred to, even where this call is cancelled or the commit seems to fail.
        if not await self._database.write(lambda connection: _put_session(connection, session)):
            self._sums.free(place)

    async def get_running_sum(self, session: SessionRecord) -> bytes:
        """See `SessionStore`."""
        image = await asyncio.to_thread(self._sums.read, session.place)
        if await asyncio.to_thread(digest, image) != session.running_sum:
            raise DamagedArtifact(sha256=session.running_sum)
        return image

    async def put_unmask_share(self, session_id: bytes, site_id: str, message: bytes) -> None:
        """See `SessionStore`."""
        columns = tables.unmask_shares.c
        mine = select(columns.message).where(columns.session_id == session_id, columns.site_id == site_id)

        def change(connection: Connection) -> None:
            session = select(tables.sessions.c.session_id).where(tables.sessions.c.session_id == session_id)
            if connection.execute(session).first() is None:
                raise UnknownSession()
            stored = connection.execute(mine).scalar_one_or_none()
            if stored is None:
                values = {"session_id": session_id, "site_id": site_id, "message": message}
                connection.execute(insert(tables.unmask_shares).values(**values))
            elif stored != message:
                raise SessionConflict()

        await self._database.write(change)

    async def open_sessions(self) -> list[SessionRecord]:
        """See `SessionStore`."""
        return await self._database.read(_open_sessions)

    async def close_session(self, session_id: bytes) -> None:
        """See `SessionStore`."""
        self._sums.free(await self._database.write(lambda connection: forget_session(connection, session_id)))


def forget_session(connection: Connection, session_id: bytes) -> int | None:
    """Delete a session and its shares, inside a change; the place of its sum, if there was such a session."""
    mine = tables.sessions.c.session_id == session_id
    place: int | None = connection.execute(select(tables.sessions.c.place).where(mine)).scalar_one_or_none()
    connection.execute(delete(tables.unmask_shares).where(tables.unmask_shares.c.session_id == session_id))
    connection.execute(delete(tables.sessions).where(mine))
    return place


def _put_session(connection: Connection, record: SessionRecord) -> bool:
    """Whether it is new; the same one again stays where it is."""
    known = select(tables.sessions).where(tables.sessions.c.session_id == record.session_id)
    row = connection.execute(known).one_or_none()
    values = {
        "session_id": record.session_id,
        "spec": record.spec,
        "survivors": list(record.survivors),
        "running_sum": record.running_sum,
        "record": record.record,
    }
    if row is None:
        connection.execute(insert(tables.sessions).values(place=record.place, **values))
    elif dict(row._mapping) != {**values, "place": row.place}:
        raise SessionConflict()
    return row is None


def _open_sessions(connection: Connection) -> list[SessionRecord]:
    shares: dict[bytes, dict[str, bytes]] = {}
    for row in connection.execute(select(tables.unmask_shares).order_by(tables.unmask_shares.c.site_id)):
        shares.setdefault(row.session_id, {})[row.site_id] = row.message
    records = []
    for row in connection.execute(select(tables.sessions).order_by(tables.sessions.c.session_id)):
        values = {**row._mapping, "survivors": tuple(row.survivors), "unmask": shares.get(row.session_id, {})}
        records.append(SessionRecord(**values))
    return records
