"""What the stages share: the store, the child, the sessions; and caching by content key."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from autoglm_coordinator.federation.blame import Blames
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.leases import HostLeases
from autoglm_coordinator.federation.sessions import Sessions
from autoglm_coordinator.store.api import Store
from autoglm_core.canonical import Json
from autoglm_core.privacy.sealing import StudyKey
from autoglm_core.trial import StageName, StageRecord
from autoglm_workloads.child.errors import ChildDied
from autoglm_workloads.child.host import ChildProcess, Reply

LOG = logging.getLogger(__name__)
CHILD_SECONDS = 600.0
"""No export, initialisation or suggestion takes this long; a child that does is replaced."""


@dataclass(frozen=True)
class Tools:
    """Everything a stage works with. `host_id` is the coordinator's own host: its child disturbs PROBE there too."""

    store: Store
    fleet: Fleet
    blames: Blames
    leases: HostLeases
    sessions: Sessions
    child: ChildProcess
    study_key: StudyKey
    host_id: str

    async def in_child(self, task: str, meta: Json, blobs: Sequence[bytes] = ()) -> Reply:
        """Run `task` in the coordinator's child, outside every PROBE on this host.

        Raises:
            ChildDied: twice; once may be the kernel's choice when memory ran out, and says nothing about the task.
        """
        async with self.leases.shared([self.host_id]):
            try:
                return await self.child.call(task, meta, blobs, timeout=CHILD_SECONDS)
            except ChildDied as error:
                LOG.warning("%s; trying once more in a new one", error.message)
                return await self.child.call(task, meta, blobs, timeout=CHILD_SECONDS)


async def cached(
    tools: Tools, name: StageName, key: str, compute: Callable[[], Awaitable[Json]]
) -> tuple[Json, StageRecord]:
    """The stage's result under `key`: from the store, or computed and then stored."""
    start = time.monotonic()
    stored = await tools.store.get_stage(key)
    result = stored if stored is not None else await compute()
    if stored is None:
        await tools.store.put_stage(str(name), key, result)
    seconds = round(time.monotonic() - start, 3)
    return result, StageRecord(name=name, key=key, cached=stored is not None, seconds=seconds)
