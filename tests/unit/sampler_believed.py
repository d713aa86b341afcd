"""What a study's author believes in is suggested first after the reference, whatever sampler comes behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_coordinator.sampler.api import Foreseeing, SpaceExhausted, UnsuitedSampler
from autoglm_coordinator.sampler.registry import SAMPLERS, check_sampler, load_sampler
from autoglm_core.budget import Budget
from autoglm_core.configuration import Configuration
from autoglm_core.reason import How
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError
from autoglm_core.trial import Trial
from support.search_spaces import study_for, twelve
from support.search_trials import completed, searched_study, suggest


def believing(name: str, *, count: int = 4) -> Study:
    """A study that believes in `count` configurations; of the first TUNE in two variants, not next to each other."""
    study = study_for(name)
    drawn = [
        entry
        for suggestion in suggest(study_for("random", seed=3, space=study.space), [], 8)[1:]
        for entry in suggestion.configurations[:1]
    ][: count - 1]
    other = next(
        entry
        for suggestion in suggest(study_for("random", seed=4, space=study.space), [], 9)[1:]
        for entry in suggestion.configurations
    )
    second = Configuration(drawn[0].tune, other.deploy)
    believed = (*drawn[:2], second, *drawn[2:]) if study.space.contains(second) else tuple(drawn)
    return replace(study, sampler=replace(study.sampler, believed=believed))


def run(study: Study, *, batches: int, n: int) -> list[Trial]:
    """Each batch from the trials before it alone."""
    trials: list[Trial] = []
    for _ in range(batches):
        for suggestion in suggest(study, trials, n):
            trials += [
                replace(completed(number, entry), reason=reason)
                for number, (entry, reason) in enumerate(
                    zip(suggestion.configurations, suggestion.reasons, strict=True), start=len(trials) + 1
                )
            ]
    return trials


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("name", SAMPLERS)
def test_they_come_after_the_reference_in_order_and_once(name: str, n: int) -> None:
    study = believing(name)
    believed = list(study.sampler.believed)
    groups = list(dict.fromkeys(entry.tune_key for entry in believed))
    expected = [entry for key in groups for entry in believed if entry.tune_key == key]
    trials = run(study, batches=-(-6 // n), n=n)
    said = [trial.configuration for trial in trials if trial.reason is not None and trial.reason.how is How.BELIEVED]
    assert said == expected
    first = [trial.reason.how for trial in trials if trial.reason is not None]
    start = first.index(How.BELIEVED)
    assert set(first[:start]) <= {How.REFERENCE, How.GRID, How.CHANCE, How.OPTUNA}
    assert len({trial.configuration.tune_key for trial in trials[:start]}) == 1, "one TUNE before them"
    assert first[start : start + len(expected)] == [How.BELIEVED] * len(expected)
    assert len({trial.configuration.key for trial in trials}) == len(trials)
    if name != "grid":
        assert trials[0].configuration == study.reference_configuration


def test_the_reference_is_not_run_twice_where_it_is_believed_in() -> None:
    study = study_for("random")
    study = replace(study, sampler=replace(study.sampler, believed=(study.reference_configuration,)))
    trials = run(study, batches=2, n=2)
    assert [trial.configuration for trial in trials].count(study.reference_configuration) == 1


@pytest.mark.parametrize("name", ["random", "grid", "bayes"])
def test_a_space_of_nothing_but_belief_ends(name: str) -> None:
    study = study_for(name, space=twelve())
    study = replace(study, sampler=replace(study.sampler, believed=tuple(twelve().grid())))
    trials = run(study, batches=1, n=8)
    assert {trial.configuration for trial in trials} == set(twelve().grid())
    with pytest.raises(SpaceExhausted):
        suggest(study, trials, 1)


def test_nothing_is_foreseen_while_there_is_something_to_believe_in() -> None:
    study = believing("bayes")
    sampler = load_sampler(study)
    sampler.observe([], [])
    assert isinstance(sampler, Foreseeing)
    assert sampler.outlook(sampler.suggest(3)) is None


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "bayes"])
def test_who_cannot_look_ahead_or_learn_elsewhere_says_so(name: str) -> None:
    study = study_for(name)
    check_sampler(study)
    with pytest.raises(UnsuitedSampler, match=r"budget\.gain.*use `bayes`"):
        check_sampler(replace(study, budget=Budget(9, gain=1.0)))
    with pytest.raises(UnsuitedSampler, match=r"warm_start.*use `bayes`"):
        check_sampler(replace(study, sampler=replace(study.sampler, warm_start=("heart-0a1b2c",))))


def test_what_is_left_to_gain_is_told_for_four_objectives_or_a_sum() -> None:
    study = searched_study("bayes")
    five = tuple(replace(study.objectives[0], metric=f"metric{number}") for number in range(5))
    with pytest.raises(StudyError, match=r"budget.gain: is told for 4 objectives at most, and the study has 5"):
        check_sampler(replace(study, objectives=five, budget=Budget(9, gain=1.0)))
    check_sampler(replace(study, budget=Budget(9, gain=1.0)))
    check_sampler(
        replace(
            searched_study("bayes", weighted={"accuracy": 0.6, "latency_p95_ms": 0.3, "energy_mj": 0.1}),
            budget=Budget(9, gain=1.0),
        )
    )
