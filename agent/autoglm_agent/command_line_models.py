"""The verbs around this machine's language models, and what the other verbs say about them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from autoglm_agent.config import load_config
from autoglm_workloads.models import command_line
from autoglm_workloads.models.errors import ModelMissing
from autoglm_workloads.models.needed import needed_model
from autoglm_workloads.models.place import use_shelf

if TYPE_CHECKING:
    from autoglm_core.study import Study


def _run(action: str, options: argparse.Namespace) -> int:
    """One action; agent.toml may name the shelf, and need not be there yet."""
    if options.config.exists():
        use_shelf(load_config(options.config).models)
    return command_line.run(action, options)


def model_line(study: Study) -> str:
    """Which model `study` needs and how this machine stands to it; empty where it needs none."""
    needed = needed_model(study)
    if needed is None:
        return ""
    if needed.here:
        standing = "on the shelf"
    elif needed.served:
        standing = "comes from the coordinator once the study is approved"
    else:
        standing = f"MISSING: {ModelMissing(content=needed.content, source=needed.source).message}"
    return f"model {needed.name} ({needed.content[:12]}, {needed.source}): {standing}"


VERBS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    f"models-{action}": partial(_run, action) for action in command_line.ACTIONS
}
