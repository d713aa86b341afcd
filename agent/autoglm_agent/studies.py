"""What is looked up often and never changes: installed workloads by name, and studies by their canonical bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.errors import AutoglmError

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_core.workload import Workload


@lru_cache(maxsize=32)
def installed_workload(name: str, version: int) -> Workload:
    """The workload of that name and version.

    Raises:
        RefusedWith: `unknown-workload`, or `workload-version` where another version is installed.
    """
    # Looking through the installed packages takes as long as half a round.
    from autoglm_workloads.errors import UnknownWorkload
    from autoglm_workloads.registry import load_workload

    try:
        workload = load_workload(name)
    except UnknownWorkload:
        raise RefusedWith(RefusalCode.UNKNOWN_WORKLOAD) from None
    if workload.version != version:
        raise RefusedWith(RefusalCode.WORKLOAD_VERSION)
    return workload


@lru_cache(maxsize=16)
def read_study(body: bytes) -> Study:
    """The study whose canonical form is `body`.

    Raises:
        RefusedWith: `bad-study`, also where the bytes are not the canonical ones, so that their hash means the study's.
    """
    from autoglm_core.parse_study import decode_study

    try:
        return decode_study(body)
    except AutoglmError:
        raise RefusedWith(RefusalCode.BAD_STUDY) from None
