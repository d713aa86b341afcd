"""Describe a model in a process of its own: without network, without what the caller's environment holds."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autoglm_core.errors import RemoteError
from autoglm_workloads.child.host import ChildProcess
from autoglm_workloads.models.description import Description
from autoglm_workloads.models.errors import raise_again

TASKS = "autoglm_workloads.models.tasks:TABLE"
SECONDS = 300.0
"""Until the child is given up: transformers takes 4 s to import, on a busy machine with a cold disk many more."""


def describe_in_child(folder: Path) -> Description:
    """As `models.describe.describe`. Blocks; may be called where a loop runs, for it has its own in a thread.

    Raises:
        UnfitModel: as `describe`.
        ChildDied, TaskTimedOut: transformers brought the child down.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(_described(str(folder.absolute())))).result()


async def _described(folder: str) -> Description:
    async with ChildProcess(tasks=TASKS) as child:
        try:
            reply = await child.call("describe", {"folder": folder}, timeout=SECONDS)
        except RemoteError as error:
            raise_again(error)
    return Description.from_json(reply.meta)
