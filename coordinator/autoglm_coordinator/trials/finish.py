"""The end of a study: the picks are tested, once, and the result is put together and kept."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING

from autoglm_coordinator.federation.sessions import CohortTooSmall
from autoglm_coordinator.report.blamed import blamed_in
from autoglm_coordinator.report.fronts import pareto_fronts
from autoglm_coordinator.report.result import build_result
from autoglm_coordinator.trials.compress import evaluate, variant_of
from autoglm_coordinator.trials.context import StudyContext, stage_key
from autoglm_coordinator.trials.protection import protection_of
from autoglm_coordinator.trials.stages import Tools
from autoglm_core.canonical import Json
from autoglm_core.measurement import Measurement, measurements_from_json, measurements_to_json
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.study import Study
from autoglm_core.trial import Trial

if TYPE_CHECKING:
    from autoglm_coordinator.store.api import Store
    from autoglm_coordinator.trials.runner import Search


async def finish(context: StudyContext, tools: Tools, reason: str, search: Search) -> None:
    """Test every pick of every front in one session, and store the result."""
    trials = await tools.store.list_trials(context.study_id)
    picks = {trial.number: trial for front in pareto_fronts(context.study, trials).values() for trial in front}
    try:
        tests = await _test(context, tools, [picks[number] for number in sorted(picks)])
    except CohortTooSmall:
        if not context.progress.stopping:
            raise
        tests = {}  # who stops a study that waits for sites wants what there is
    stored = {
        "reason": reason,
        "seconds": round(search.seconds, 1),
        "tests": {str(number): measurements_to_json(scores) for number, scores in tests.items()},
        "data": _counted(context),
    }
    await tools.store.put_stage("END", end_key(context.study_id), stored)
    await search.save_time()


def _counted(context: StudyContext) -> Json:
    """Single numbers among the constants: how many rows there are, and what was left out of them."""
    return {name: float(array) for name, array in context.summed_constants().items() if not array.ndim}


async def _test(context: StudyContext, tools: Tools, picks: list[Trial]) -> dict[int, dict[str, Measurement]]:
    if not picks:
        return {}
    variants = {trial.number: await variant_of(tools.store, trial) for trial in picks}
    scores = await evaluate(context, tools, list(variants.values()), purpose=Purpose.TEST, trial="")
    return {number: scores[variant.model][0] for number, variant in variants.items()}


def end_key(study_id: str) -> str:
    """Stage key of how a study ended."""
    return stage_key("END", study_id)


async def result_so_far(study_id: str, store: Store) -> Json:
    """result.json, for a running study as far as it has come.

    Raises:
        UnknownStudy: no study has that id.
    """
    record = await store.get_study(study_id)
    study = Study.from_json(json.loads(record.body))
    end = await store.get_stage(end_key(study_id)) or {}
    tests = {int(number): measurements_from_json(scores) for number, scores in end.get("tests", {}).items()}
    build = partial(
        build_result,
        study=study,
        study_id=study_id,
        trials=await store.list_trials(study_id),
        tests=tests,
        protection=await protection_of(record, store),
        blamed=await blamed_in(study_id, store),
        data=end.get("data", {}),
        stopped=end.get("reason", str(record.state)),
        study_seconds=end.get("seconds", record.active.total_seconds()),
        study_bytes=await store.study_bytes(study_id),
        study_cost=await store.study_cost(study_id),
    )
    # Ranks and hypervolumes of a thousand trials take longer than a stream of heartbeats may wait.
    return await asyncio.to_thread(build)
