"""Who broke the secure sum, as operators are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoglm_coordinator.store.api import BlameRecord, Store
    from autoglm_core.canonical import Json


async def blamed_in(study_id: str, store: Store) -> list[Json]:
    """Of one study, as in result.json: oldest first."""
    names = {entry.agent_id: entry.name for entry in await store.list_agents()}
    return [_blamed(entry, names[entry.agent_id]) for entry in await store.blames() if entry.study_id == study_id]


def _blamed(entry: BlameRecord, name: str) -> Json:
    return {
        "site": name,
        "code": entry.code,
        "purpose": entry.purpose,
        "round": entry.round,
        "readmitted": entry.readmitted is not None,
    }
