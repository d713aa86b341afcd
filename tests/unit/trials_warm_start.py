"""Which earlier studies a study may learn from: refused with what to change when it is submitted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.store.api import Store, StudyRecord, StudyState
from autoglm_coordinator.store.errors import UnknownStudy
from autoglm_coordinator.store.sql import open_store
from autoglm_coordinator.trials.warm_start import (
    MOST_TRIALS,
    WarmStartEmpty,
    WarmStartGoals,
    WarmStartSpace,
    WarmStartUnfinished,
    check_warm_start,
    earlier_studies,
)
from autoglm_core.canonical import canonical_json
from autoglm_core.parameter import FloatParameter, Scale
from autoglm_core.space import SearchSpace
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState
from support.search_trials import ACCURACY, LATENCY, search, searched_study

EARLIER = "searched-0a1b2c"
STUDY = searched_study("random", objectives=(ACCURACY, LATENCY))
TRIALS = search(STUDY, total=6)


def learning(study: Study = STUDY, *ids: str) -> Study:
    """Like `study`, and learning from others."""
    return replace(study, sampler=replace(study.sampler, name="bayes", warm_start=ids or (EARLIER,)))


def checked(
    tmp_path: Path,
    study: Study,
    *,
    earlier: Study = STUDY,
    state: StudyState = StudyState.COMPLETED,
    trials: list[Trial] = TRIALS,
    then: Callable[[Study, Store], Awaitable[Any]] = check_warm_start,
) -> Any:
    """Against a store with one earlier study."""

    async def story() -> Any:
        store = open_store(tmp_path)
        try:
            body = canonical_json(earlier.to_json())
            record = StudyRecord(EARLIER, earlier.hash, body, "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
            await store.put_study(record, idempotency_key="key")
            await store.put_trials(EARLIER, trials)
            for step in (StudyState.RUNNING, state):
                await store.set_study_state(EARLIER, step)
            return await then(study, store)
        finally:
            await store.close()

    return asyncio.run(story())


@pytest.mark.parametrize("state", [StudyState.COMPLETED, StudyState.STOPPED, StudyState.FAILED])
def test_one_that_ended_is_taken(tmp_path: Path, state: StudyState) -> None:
    other = replace(STUDY, name="next", data="digits2", model="cnn", rounds=20, rungs=(), constraints=())
    checked(tmp_path, learning(other), state=state)


def test_what_goes_to_the_sampler_are_its_trials_with_figures(tmp_path: Path) -> None:
    open_one = Trial(len(TRIALS) + 1, search(STUDY, total=12)[-1].configuration, TrialState.PENDING)
    [sent] = checked(tmp_path, learning(), trials=[*TRIALS, open_one], then=earlier_studies)
    trials = [Trial.from_json(trial) for trial in sent["trials"]]
    assert trials == [trial for trial in TRIALS if trial.state is TrialState.COMPLETED]
    assert len(trials) <= MOST_TRIALS
    assert len(history_of(Study.from_json(sent["study"]), trials).completed) == len(trials)


def test_one_that_still_runs_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(WarmStartUnfinished, match="is running: wait for its end, or end it with `autoglm stop"):
        checked(tmp_path, learning(), state=StudyState.RUNNING)


def test_one_that_is_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownStudy, match="heart-ffffff"):
        checked(tmp_path, learning(STUDY, EARLIER, "heart-ffffff"))


def _without(space: SearchSpace, name: str) -> SearchSpace:
    tune, deploy = (tuple(entry for entry in part if entry.name != name) for part in (space.tune, space.deploy))
    return SearchSpace(tune, deploy)


def test_another_space_is_refused_with_the_parameters_that_differ(tmp_path: Path) -> None:
    rate = FloatParameter("learning_rate", 1e-4, 1e-1, Scale.LOG)
    space = SearchSpace((rate, *STUDY.space.tune[1:]), STUDY.space.deploy)
    with pytest.raises(WarmStartSpace) as caught:
        checked(tmp_path, learning(replace(STUDY, space=_without(space, "prune"))))
    assert caught.value.code == "warm-start-space"
    assert caught.value.data["parameters"] == "learning_rate, prune"
    assert EARLIER in caught.value.message


def test_a_parameter_of_the_other_part_differs(tmp_path: Path) -> None:
    """Of `tune` it decides a training."""
    [threads] = [entry for entry in STUDY.space.deploy if entry.name == "threads"]
    moved = SearchSpace((*STUDY.space.tune, threads), _without(STUDY.space, "threads").deploy)
    with pytest.raises(WarmStartSpace, match="they differ in threads"):
        checked(tmp_path, learning(replace(STUDY, space=moved)))


def test_declared_order_and_constraints_may_differ(tmp_path: Path) -> None:
    turned = SearchSpace(STUDY.space.tune[::-1], STUDY.space.deploy[::-1])
    checked(tmp_path, learning(replace(STUDY, space=turned)))


@pytest.mark.parametrize(
    ("change", "what"),
    [({"objectives": (ACCURACY,)}, "the objectives"), ({"workload": "tabular-classification"}, "the workload")],
    ids=["objectives", "workload"],
)
def test_other_goals_are_refused(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    with pytest.raises(WarmStartGoals) as caught:
        checked(tmp_path, learning(replace(STUDY, **change)))
    assert caught.value.data["what"] == what


@pytest.mark.parametrize(
    "trials",
    [[], [Trial(trial.number, trial.configuration, TrialState.FAILED) for trial in TRIALS]],
    ids=["none", "failed"],
)
def test_one_without_figures_is_refused(tmp_path: Path, trials: list[Trial]) -> None:
    with pytest.raises(WarmStartEmpty, match="no trial with figures"):
        checked(tmp_path, learning(), trials=trials)
