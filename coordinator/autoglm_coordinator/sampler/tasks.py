"""The sampler as a task of the coordinator's child: a pure function of its message."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoglm_coordinator.sampler.api import SpaceExhausted
from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.sampler.registry import load_sampler
from autoglm_core.canonical import Json
from autoglm_core.study import Study
from autoglm_core.trial import Trial


def suggest(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Suggestions for `{study, trials, n}`: `{suggestions: [{tune, variants}]}`, empty where the space is exhausted."""
    study = Study.from_json(meta["study"])
    history = history_of(study, [Trial.from_json(trial) for trial in meta["trials"]])
    sampler = load_sampler(study)
    sampler.observe(history.completed, history.pending)
    try:
        suggestions = sampler.suggest(int(meta["n"]))
    except SpaceExhausted:
        suggestions = []
    return {"suggestions": [suggestion.to_json() for suggestion in suggestions]}, []


TABLE: Mapping[str, Callable[[Json, list[bytes]], tuple[Json, list[bytes]]]] = {"suggest": suggest}
