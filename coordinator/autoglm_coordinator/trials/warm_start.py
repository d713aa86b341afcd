"""Earlier studies that a study learns from: which it may, and what of them goes to its sampler.

Their measurements lie in this coordinator's store already, and every operator may read every study's. What is new is
that they decide what the study's sites train, which is why their ids are part of what administrators approve. Only
studies that ended are taken: what a study suggests is a function of the store, and must stay one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autoglm_core.errors import Conflict, InvalidInput
from autoglm_core.study import Study
from autoglm_core.trial import TrialState

if TYPE_CHECKING:
    from autoglm_coordinator.store.api import Store
    from autoglm_core.canonical import Json
    from autoglm_core.parameter import Parameter

MOST_TRIALS = 500
"""Of one earlier study that are sent to the sampler, from the first; it models fewer."""
TAUGHT = (TrialState.COMPLETED, TrialState.STOPPED)


class WarmStartSpace(InvalidInput):
    """An earlier study searched another space. `parameters`: those that differ, or are missing in one of the two."""

    code = "warm-start-space"

    def __init__(self, *, study_id: str, parameters: Sequence[str]) -> None:
        names = ", ".join(parameters)
        super().__init__(
            f"sampler.warm_start: {study_id} searched another space (they differ in {names}): "
            "leave it out, or make these parameters equal",
            study_id=study_id,
            parameters=names,
        )


class WarmStartGoals(InvalidInput):
    """An earlier study trained or measured something else."""

    code = "warm-start-goals"

    def __init__(self, *, study_id: str, what: str, earlier: str, here: str) -> None:
        super().__init__(
            f"sampler.warm_start: {study_id} had {what} {earlier}, and this study has {here}: leave it out",
            study_id=study_id,
            what=what,
            earlier=earlier,
            here=here,
        )


class WarmStartUnfinished(Conflict):
    """An earlier study still changes."""

    code = "warm-start-unfinished"

    def __init__(self, *, study_id: str, state: str) -> None:
        super().__init__(
            f"sampler.warm_start: {study_id} is {state}: wait for its end, or end it with `autoglm stop {study_id}`",
            study_id=study_id,
            state=state,
        )


class WarmStartEmpty(Conflict):
    """An earlier study ended without a figure."""

    code = "warm-start-empty"

    def __init__(self, *, study_id: str) -> None:
        super().__init__(
            f"sampler.warm_start: {study_id} has no trial with figures to learn from: leave it out", study_id=study_id
        )


async def check_warm_start(study: Study, store: Store) -> None:
    """Raise the first reason why `study` cannot learn from the studies that it names.

    Raises:
        UnknownStudy, WarmStartUnfinished, WarmStartGoals, WarmStartSpace, WarmStartEmpty: see there.
    """
    for study_id in study.sampler.warm_start:
        record = await store.get_study(study_id)
        if not record.state.final:
            raise WarmStartUnfinished(study_id=study_id, state=str(record.state).replace("-", " "))
        earlier = Study.from_json(json.loads(record.body))
        _check_goals(study_id, earlier, study)
        differing = _differing(earlier, study)
        if differing:
            raise WarmStartSpace(study_id=study_id, parameters=differing)
        if not await _taught(study_id, store):
            raise WarmStartEmpty(study_id=study_id)


def _check_goals(study_id: str, earlier: Study, study: Study) -> None:
    """Data and model may be others: what they have in common is for the sampler to find out."""
    for what, before, here in (
        ("the workload", earlier.workload, study.workload),
        ("the objectives", _objectives(earlier), _objectives(study)),
    ):
        if before != here:
            raise WarmStartGoals(study_id=study_id, what=what, earlier=before, here=here)


def _objectives(study: Study) -> str:
    """In words that tell equal ones; those of a weighted sum without their weights, which change no figure."""
    return ", ".join(sorted(f"{objective.direction} {objective.metric}" for objective in study.objectives))


def _differing(earlier: Study, study: Study) -> list[str]:
    """Names of parameters, in declared order. Constraints may differ: they forbid suggestions, and change no figure."""
    before, here = _parameters(earlier), _parameters(study)
    return [name for name in dict.fromkeys((*here, *before)) if before.get(name) != here.get(name)]


def _parameters(study: Study) -> dict[str, tuple[str, Parameter]]:
    parts = (("tune", study.space.tune), ("deploy", study.space.deploy))
    return {parameter.name: (part, parameter) for part, parameters in parts for parameter in parameters}


async def _taught(study_id: str, store: Store) -> list[Json]:
    trials = [trial for trial in await store.list_trials(study_id) if trial.state in TAUGHT and trial.measurements]
    return [trial.to_json() for trial in trials[:MOST_TRIALS]]


async def earlier_studies(study: Study, store: Store) -> list[Json]:
    """`{study, trials}` of each, for the sampler."""
    return [
        {
            "study": json.loads((await store.get_study(study_id)).body),
            "trials": await _taught(study_id, store),
        }
        for study_id in study.sampler.warm_start
    ]
