"""Trials in SQL, and the sampler's state beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from autoglm_coordinator.store import tables
from autoglm_coordinator.store.database import Database
from autoglm_coordinator.store.errors import TrialConflict, UnknownTrial
from autoglm_coordinator.store.studies import require_study
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.trial import Trial


class TrialTables:
    """The rest of `StudyStore`: trials."""

    _database: Database

    async def put_trials(self, study_id: str, trials: Sequence[Trial], *, sampler_state: Json | None = None) -> None:
        """See `StudyStore`."""

        def change(connection: Connection) -> None:
            require_study(connection, study_id)
            for trial in trials:
                _put_trial(connection, study_id, trial)
            if sampler_state is not None:
                mine = update(tables.studies).where(tables.studies.c.study_id == study_id)
                connection.execute(mine.values(sampler_state=sampler_state))

        await self._database.write(change)

    async def sampler_state(self, study_id: str) -> Json | None:
        """See `StudyStore`."""
        row = await self._database.read(lambda connection: require_study(connection, study_id))
        state: Json | None = row.sampler_state
        return state

    async def update_trial(self, study_id: str, trial: Trial) -> None:
        """See `StudyStore`."""
        await self.update_trials(study_id, [trial])

    async def update_trials(self, study_id: str, trials: Sequence[Trial]) -> None:
        """See `StudyStore`."""

        def change(connection: Connection) -> None:
            for trial in trials:
                _update_trial(connection, study_id, trial)

        await self._database.write(change)

    async def list_trials(self, study_id: str) -> list[Trial]:
        """See `StudyStore`."""
        columns = tables.trials.c
        query = select(columns.body).where(columns.study_id == study_id).order_by(columns.number)
        bodies = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return [Trial.from_json(body) for body in bodies]


def _mine(study_id: str, trial: Trial) -> ColumnElement[bool]:
    columns = tables.trials.c
    return (columns.study_id == study_id) & (columns.number == trial.number)


def _stored(connection: Connection, study_id: str, trial: Trial) -> Json | None:
    body: Any = connection.execute(select(tables.trials.c.body).where(_mine(study_id, trial))).scalar_one_or_none()
    return None if body is None else dict(body)


def _put_trial(connection: Connection, study_id: str, trial: Trial) -> None:
    stored = _stored(connection, study_id, trial)
    if stored is None:
        values = {"study_id": study_id, "number": trial.number, "body": trial.to_json()}
        connection.execute(insert(tables.trials).values(**values))
    elif not _equal(stored, trial):
        raise TrialConflict(study_id=study_id, number=trial.number)


def _update_trial(connection: Connection, study_id: str, trial: Trial) -> None:
    stored = _stored(connection, study_id, trial)
    if stored is None:
        raise UnknownTrial(study_id=study_id, number=trial.number)
    if _equal(stored, trial):
        return
    present = Trial.from_json(stored)
    if trial.configuration != present.configuration:
        raise TrialConflict(study_id=study_id, number=trial.number)
    if trial.state is not present.state:
        present.check_transition(trial.state)
    elif present.state.final:
        raise TrialConflict(study_id=study_id, number=trial.number)
    connection.execute(update(tables.trials).where(_mine(study_id, trial)).values(body=trial.to_json()))


def _equal(stored: Json, trial: Trial) -> bool:
    return canonical_json(stored) == canonical_json(trial.to_json())
