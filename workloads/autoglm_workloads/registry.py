"""Workloads by name, found through the entry-point group `autoglm.workloads`.

Entry points rather than imports, so that a daemon which never trains does not even load the modules, and so that a
user's own package may add a workload without a change here.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from autoglm_core.workload import Workload
from autoglm_workloads.errors import UnknownWorkload

GROUP = "autoglm.workloads"


def workload_names() -> tuple[str, ...]:
    """Names of the installed workloads, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def load_workload(name: str) -> Workload:
    """The workload registered as `name`; loads its module, but no framework.

    Raises:
        UnknownWorkload: nothing is registered under that name.
    """
    found: EntryPoint | None = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        known = workload_names()
        nearest = next(iter(get_close_matches(name, known, n=1, cutoff=0.5)), None)
        raise UnknownWorkload(name=name, known=", ".join(known), nearest=nearest)
    return cast(Workload, found.load())
