"""The sampler as a task of the coordinator's child: a pure function of its message."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoglm_coordinator.sampler.api import Foreseeing, SpaceExhausted
from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.sampler.registry import load_sampler
from autoglm_coordinator.sampler.shapes import MeasuredShapes
from autoglm_core.canonical import Json
from autoglm_core.study import Study
from autoglm_core.trial import Observation, Trial
from autoglm_workloads.registry import load_workload


def suggest(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Suggestions for `{study, trials, n, earlier: [{study, trials}]}`.

    `{suggestions: [{tune, variants, reasons}], outlook: {gain, seconds} | None}`; no suggestions where the space is
    exhausted.
    """
    study = Study.from_json(meta["study"])
    trials = [Trial.from_json(trial) for trial in meta["trials"]]
    history = history_of(study, trials)
    shapes = MeasuredShapes(study, load_workload(study.workload).model_side, trials)
    sampler = load_sampler(study, shapes, [_observed(earlier) for earlier in meta["earlier"]])
    sampler.observe(history.completed, history.pending)
    try:
        suggestions = sampler.suggest(int(meta["n"]))
    except SpaceExhausted:
        suggestions = []
    outlook = sampler.outlook(suggestions) if isinstance(sampler, Foreseeing) else None
    return {
        "suggestions": [suggestion.to_json() for suggestion in suggestions],
        "outlook": outlook and outlook.to_json(),
    }, []


def _observed(earlier: Json) -> tuple[Observation, ...]:
    trials = [Trial.from_json(trial) for trial in earlier["trials"]]
    return history_of(Study.from_json(earlier["study"]), trials).completed


TABLE: Mapping[str, Callable[[Json, list[bytes]], tuple[Json, list[bytes]]]] = {"suggest": suggest}
