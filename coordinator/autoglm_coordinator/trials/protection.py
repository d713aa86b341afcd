"""What shields the sites of one study, put together from what the store holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autoglm_coordinator.trials.context import cohort_key, wanted_key
from autoglm_core.privacy.roster import Roster
from autoglm_core.protection import RosterKind, protection_in_force
from autoglm_core.study import Study

if TYPE_CHECKING:
    from autoglm_coordinator.store.api import Store, StudyRecord
    from autoglm_core.canonical import Json


async def protection_of(record: StudyRecord, store: Store) -> Json:
    """As in result.json: over the study's sites, or before they are known over those that were asked."""
    study = Study.from_json(json.loads(record.body))
    roster = Roster.decode((await store.get_roster(record.roster_hash)).body)
    known = await store.get_stage(cohort_key(record.study_id)) or await store.get_stage(wanted_key(record.study_id))
    sites = [] if known is None else known["sites"]
    simulated = await store.roster_acceptances(record.roster_hash)
    kind = RosterKind.SIMULATED if any(simulated.get(site) for site in sites) else RosterKind.PINNED
    return protection_in_force(study, roster, sites=len(sites), kind=kind)
