"""The warm children of one agent: one per approved study at a site, one for measuring on a device."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_agent.config import AgentConfig
from autoglm_workloads.child.host import ChildProcess, Reply

if TYPE_CHECKING:
    from autoglm_core.study import Study

SITE_TASKS = "autoglm_workloads.site_tasks:TABLE"
MEASURE_TASKS = "autoglm_agent.measure.tasks:TABLE"
LOAD_SECONDS = 300.0
READ_BYTES_A_SECOND = 100_000
"""A tenth of what one slow core reads where the language of each text is told."""


def load_seconds(path: Path) -> float:
    """How long the rows at `path`, a file or a folder, may take to be read."""
    try:
        files = [path, *path.rglob("*")] if path.is_dir() else [path]
        size = sum(file.stat().st_size for file in files if file.is_file())
    except OSError:  # the child says what is wrong with it
        size = 0
    return LOAD_SECONDS + size / READ_BYTES_A_SECOND


class Children:
    """Starts children on demand and keeps them until their study ends."""

    def __init__(self, config: AgentConfig, *, crash_log: Path) -> None:
        self._config = config
        self._crash_log = crash_log
        self._sites: dict[str, ChildProcess] = {}
        self._device: ChildProcess | None = None

    def of_study(self, study_id: str) -> ChildProcess:
        """The child that holds this site's rows for a study; its first call starts it."""
        if study_id not in self._sites:
            self._sites[study_id] = self._site_child()
        return self._sites[study_id]

    def of_device(self) -> ChildProcess:
        """The child that measures, bound to the device's processors."""
        if self._device is None:
            device = self._config.device
            cpus = () if device is None else device.cpus
            self._device = ChildProcess(
                tasks=MEASURE_TASKS,
                cpus=cpus or None,
                memory_bytes=self._config.limits.memory_bytes,
                crash_log=self._crash_log,
            )
        return self._device

    async def warm(self, study_id: str, study: Study) -> None:
        """Start the child of `study_id`; at a site read its rows, so that what is wrong with them shows now.

        Raises:
            RemoteError: the workload refused the data.
            ChildDied, TaskTimedOut: the child did not come up.
        """
        if self._config.device is not None:
            await self.of_device().start()
            return
        await self._load(self.of_study(study_id), study)

    async def try_data(self, study: Study) -> list[str]:
        """Read the rows for `study` in a child of its own that ends with it; raises as `warm`.

        Returns what the rows have to say to this site's administrator, and to nobody else.
        """
        if self._config.device is not None:
            return []
        async with self._site_child() as child:
            reply = await self._load(child, study)
        return [str(line) for line in reply.meta.get("report", [])]

    async def _load(self, child: ChildProcess, study: Study) -> Reply:
        path = self._config.data[study.data].path
        seconds = await asyncio.to_thread(load_seconds, path)
        return await child.call("load", {"study": study.to_json(), "data": str(path)}, timeout=seconds)

    async def forget(self, study_id: str) -> None:
        """End the child of a study that is over."""
        child = self._sites.pop(study_id, None)
        if child is not None:
            await child.close()

    async def close(self) -> None:
        """End all of them."""
        children = [*self._sites.values(), *([] if self._device is None else [self._device])]
        self._sites, self._device = {}, None
        await asyncio.gather(*(child.close() for child in children))

    def _site_child(self) -> ChildProcess:
        limits = self._config.limits
        return ChildProcess(
            tasks=SITE_TASKS,
            threads=limits.threads,
            memory_bytes=limits.memory_bytes,
            crash_log=self._crash_log,
        )
