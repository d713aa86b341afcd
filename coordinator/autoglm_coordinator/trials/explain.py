"""What a study's trials say about its parameters, and the same trials for tools that read Optuna's studies.

Both are made in the coordinator's child, over the trials so far.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autoglm_core.canonical import Json

if TYPE_CHECKING:
    from autoglm_coordinator.trials.stages import Tools


async def importance_of(study_id: str, tools: Tools) -> Json:
    """See `report.importance.importances`.

    Raises:
        UnknownStudy: no study has that id.
    """
    reply = await tools.in_child("importance", await _meta(study_id, tools))
    return reply.meta


async def optuna_journal_of(study_id: str, tools: Tools) -> bytes:
    """See `report.mirror.optuna_journal`.

    Raises:
        UnknownStudy: no study has that id.
    """
    reply = await tools.in_child("optuna-journal", await _meta(study_id, tools))
    return bytes(reply.blobs[0])


async def _meta(study_id: str, tools: Tools) -> Json:
    record = await tools.store.get_study(study_id)
    trials = await tools.store.list_trials(study_id)
    return {
        "study": json.loads(record.body),
        "study_id": study_id,
        "trials": [trial.to_json() for trial in trials],
        "created": record.created.isoformat(),
    }
