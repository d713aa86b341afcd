"""The task table of the child that looks at models: `describe` takes a folder and answers its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autoglm_core.canonical import Json
from autoglm_workloads.child.__main__ import Task
from autoglm_workloads.child.frames import Blob


def describe(meta: Json, blobs: list[bytes]) -> tuple[Json, Sequence[Blob]]:
    """`meta`: the `folder`; answers `Description.to_json`."""
    from autoglm_workloads.models import describe as module

    return module.describe(Path(meta["folder"])).to_json(), []


TABLE: Mapping[str, Task] = {"describe": describe}
