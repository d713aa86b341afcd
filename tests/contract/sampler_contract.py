"""What every sampler keeps, whatever it models; spaces of every kind and bad input have files of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from autoglm_coordinator.sampler.api import NoConfiguration, SpaceExhausted
from autoglm_coordinator.sampler.registry import SAMPLERS
from autoglm_coordinator.sampler.tasks import TABLE
from autoglm_core.configuration import Configuration
from autoglm_core.space import CategoricalParameter, FloatParameter, Scale, SearchSpace
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState
from support.search_spaces import SUM, one_sum, study_for, twelve, with_sampler
from support.search_trials import assert_new, completed, quickstart_space, search, searched_study, suggest
from support.suggesting_process import answers_elsewhere, message

MODELS = [name for name in SAMPLERS if name != "gp"]
"""Samplers that are quick at any size; `gp` fits its models in seconds, so it takes part where few suggestions do."""


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_first_suggestions_begin_with_the_reference_or_a_grid_and_lie_in_the_space(name: str) -> None:
    study = study_for(name)
    suggestions = suggest(study, [], 4)
    assert len(suggestions) == 4
    for suggestion in suggestions:
        assert len(suggestion.variants) == 2
        for configuration in suggestion.configurations:
            study.space.check(configuration)
    if name != "grid":
        assert suggestions[0].configurations[0] == study.reference_configuration


@pytest.mark.parametrize("name", MODELS)
def test_a_whole_search_stays_in_the_space_and_says_nothing_twice(name: str) -> None:
    constraints = ("width * local_epochs <= 128", "prune <= 0.4 or threads == 1")
    plain = study_for(name)
    space = replace(plain.space, constraints=quickstart_space(constraints=constraints).constraints)
    study = study_for(name, space=space)
    trials = search(study, total=48)
    for trial in trials:
        study.space.check(trial.configuration)
    assert len({trial.configuration.key for trial in trials}) == len(trials)


def test_the_same_store_gives_the_same_suggestions_in_another_process() -> None:
    """The order of trials and of hashes, and all that a process holds, count for nothing."""
    # `gp` takes half a minute for what it says of three objectives, and nothing depends on their number here.
    studies = {name: searched_study(name, space=study_for(name).space, weighted=_sum(name)) for name in SAMPLERS}
    stored = {name: _with_every_state(known_trials(studies[name], 24)) for name in SAMPLERS}
    here = [TABLE["suggest"](message(studies[name], stored[name], 2), [])[0] for name in SAMPLERS]
    reversed_messages = [message(studies[name], stored[name][::-1], 2) for name in SAMPLERS]
    there = answers_elsewhere(reversed_messages, hash_seed=1)
    for name, expected, received in zip(SAMPLERS, here, there, strict=True):
        assert len(expected["suggestions"]) == 2, name
        assert received == json.loads(json.dumps(expected)), name


def _sum(name: str) -> Mapping[str, float] | None:
    return SUM if name == "gp" else one_sum(name)


def _with_every_state(trials: list[Trial]) -> list[Trial]:
    """The last six failed, were stopped, refused, and are still under way."""
    states = [TrialState.FAILED, TrialState.STOPPED, TrialState.INFEASIBLE, TrialState.RUNNING] + [
        TrialState.PENDING
    ] * 2
    *done, _, _, _, _, _, _ = trials
    return done + [
        Trial(trial.number, trial.configuration, state) for trial, state in zip(trials[-6:], states, strict=True)
    ]


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_searches_elsewhere(name: str) -> None:
    first, second = (suggest(study_for(name, seed=seed), [], 4) for seed in (1, 2))
    assert {entry.tune["learning_rate"] for entry in first} != {entry.tune["learning_rate"] for entry in second}


@pytest.mark.parametrize("name", SAMPLERS)
def test_pending_configurations_are_not_suggested_again_and_fewer_come_back_where_fewer_are_left(name: str) -> None:
    study = study_for(name, space=twelve())
    pending = [
        Trial(number, configuration, TrialState.RUNNING)
        for number, configuration in enumerate(list(study.space.grid())[:10], start=1)
    ]
    left = {entry.key for entry in study.space.grid()} - {trial.configuration.key for trial in pending}
    suggested = [entry.key for suggestion in suggest(study, pending, 4) for entry in suggestion.configurations]
    assert sorted(suggested) == sorted(left)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_finite_space_is_used_up_and_then_said_to_be(name: str) -> None:
    study = study_for(name, space=twelve())
    trials = search(study, total=12)
    assert len({trial.configuration.key for trial in trials}) == len(trials) == 12
    with pytest.raises(SpaceExhausted, match="all 12 configurations"):
        suggest(study, trials, 1)
    assert TABLE["suggest"](message(study, trials, 1), [])[0]["suggestions"] == []


@pytest.mark.parametrize("name", MODELS)
def test_trials_without_a_figure_do_not_stop_the_search(name: str) -> None:
    study = study_for(name)
    states = [TrialState.FAILED, TrialState.STOPPED, TrialState.INFEASIBLE, TrialState.PENDING] * 4
    spoiled = [
        Trial(trial.number, trial.configuration, state)
        for trial, state in zip(search(study, total=16), states, strict=True)
    ]
    assert_new(study, spoiled, 2)


@pytest.mark.parametrize("name", SAMPLERS)
def test_trials_that_tie_in_all_objectives_do_not_stop_the_search(name: str) -> None:
    study = study_for(name, variants=1)
    trials = known_trials(study, 16)
    assert_new(study, [replace(trial, measurements=trials[0].measurements) for trial in trials], 1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_weighted_sum_is_searched(name: str) -> None:
    study = searched_study(name, space=study_for(name).space, weighted=SUM)
    trials = search(study, total=24)
    assert len({trial.configuration.key for trial in trials}) == 24


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("classes", [("one-core",), ("one-core", "two-core")], ids=len)
def test_device_classes_of_which_one_refuses_or_has_not_measured_yet(name: str, classes: tuple[str, ...]) -> None:
    study = replace(study_for(name, variants=1), device_classes=classes)
    trials = known_trials(study, 16)
    lacking = [
        replace(trial, measurements={classes[0]: trial.measurements[classes[0]]}, refused_by=classes[1:])
        if trial.number % 3
        else trial
        for trial in trials
    ]
    assert_new(study, lacking, 1)


@pytest.mark.parametrize("name", ["bayes", "tpe", "random", "nsga2", "nsga3", "qmc"])
def test_constraints_that_leave_next_to_nothing_end_in_one_error(name: str) -> None:
    space = quickstart_space(constraints=("prune >= 0.3", "prune <= 0.3"))
    study = searched_study(name, space=space)
    reference = completed(1, Configuration(tune=study.reference_configuration.tune, deploy={}))
    with pytest.raises(NoConfiguration, match="loosen"):
        suggest(study, [reference], 1)


@pytest.mark.parametrize("name", ["bayes", "tpe", "nsga2", "nsga3", "qmc"])
def test_several_variants_share_the_tune_and_differ(name: str) -> None:
    study = searched_study(name, variants=4)
    trials = search(study, total=32)
    for suggestion in suggest(study, trials, 3):
        assert len({entry.key for entry in suggestion.configurations}) == 4
        assert len({entry.tune_key for entry in suggestion.configurations}) == 1


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("cmaes", "gp")])
def test_a_tune_gets_no_variant_twice_although_its_numbers_are_not_round(name: str) -> None:
    space = SearchSpace(
        tune=(FloatParameter("weight_decay", 1e-6, 1e-1, Scale.LOG),),
        deploy=(
            CategoricalParameter("quantization", ("none", "int8-dynamic", "int8-static")),
            CategoricalParameter("threads", (1, 2, 4)),
            CategoricalParameter("fused", (True, False)),
        ),
    )
    study = searched_study(name, space=space, variants=16)
    assert study.reference_configuration.tune["weight_decay"] == pytest.approx(10**-3.5, rel=1e-12)
    trials = search(study, total=60, batch=2)
    for trial in trials:
        space.check(trial.configuration)
    assert len({trial.configuration.key for trial in trials}) == len(trials)


def known_trials(study: Study, total: int) -> list[Trial]:
    """Trials of the study's space that another sampler asked for: what a sampler is told need not be its own."""
    return search(with_sampler(study, "random"), total=total)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_study_may_leave_the_number_of_variants_to_the_sampler(name: str) -> None:
    """Two, but for the one that learns what they cost: it begins with four."""
    study = study_for(name)
    left = replace(study, sampler=replace(study.sampler, variants=None))
    assert [len(entry.variants) for entry in suggest(left, [], 2)] == ([4, 4] if name == "bayes" else [2, 2])
