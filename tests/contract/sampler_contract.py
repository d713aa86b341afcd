"""What every sampler keeps, whatever it models."""

from __future__ import annotations

import pytest

from autoglm_coordinator.sampler.api import NoConfiguration, SpaceExhausted
from autoglm_coordinator.sampler.registry import SAMPLERS
from autoglm_core.configuration import Configuration
from autoglm_core.trial import Trial, TrialState
from support.search_trials import completed, quickstart_space, search, searched_study, small_space, suggest

MODELS = [name for name in SAMPLERS if name != "gp"]
"""Samplers that are quick at any size; `gp` fits its models in seconds and has tests of its own."""


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_first_suggestions_begin_with_the_reference_or_a_grid_and_lie_in_the_space(name: str) -> None:
    study = searched_study(name)
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
    space = quickstart_space(constraints=("width * local_epochs <= 128", "prune <= 0.4 or quantization == 'none'"))
    study = searched_study(name, space=space)
    trials = search(study, total=48)
    for trial in trials:
        study.space.check(trial.configuration)
    assert len({trial.configuration.key for trial in trials}) == len(trials)


@pytest.mark.parametrize("name", MODELS)
def test_the_same_store_gives_the_same_suggestions(name: str) -> None:
    study = searched_study(name)
    trials = search(study, total=24)
    assert suggest(study, trials, 4) == suggest(study, list(reversed(trials)), 4)


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_searches_elsewhere(name: str) -> None:
    first, second = (suggest(searched_study(name, seed=seed), [], 4) for seed in (1, 2))
    assert {entry.tune["learning_rate"] for entry in first} != {entry.tune["learning_rate"] for entry in second}


@pytest.mark.parametrize("name", MODELS)
def test_pending_configurations_are_not_suggested_again(name: str) -> None:
    study = searched_study(name, space=small_space())
    pending = [
        Trial(number, configuration, TrialState.RUNNING)
        for number, configuration in enumerate(list(study.space.grid())[:10], start=1)
    ]
    left = {entry.key for entry in study.space.grid()} - {trial.configuration.key for trial in pending}
    suggested = [entry.key for suggestion in suggest(study, pending, 4) for entry in suggestion.configurations]
    assert sorted(suggested) == sorted(left)


@pytest.mark.parametrize("name", MODELS)
def test_a_finite_space_is_used_up_and_then_said_to_be(name: str) -> None:
    study = searched_study(name, space=small_space())
    trials = search(study, total=12)
    assert len(trials) == 12
    with pytest.raises(SpaceExhausted, match="all 12 configurations"):
        suggest(study, trials, 1)


@pytest.mark.parametrize("name", MODELS)
def test_trials_without_a_figure_do_not_stop_the_search(name: str) -> None:
    study = searched_study(name)
    trials = search(study, total=16)
    spoiled = [
        Trial(trial.number, trial.configuration, state)
        for trial, state in zip(
            trials, [TrialState.FAILED, TrialState.STOPPED, TrialState.INFEASIBLE, TrialState.PENDING] * 4, strict=True
        )
    ]
    assert len(suggest(study, spoiled, 2)) == 2


@pytest.mark.parametrize("name", ["bayes", "tpe", "random", "nsga2"])
def test_constraints_that_leave_next_to_nothing_end_in_one_error(name: str) -> None:
    space = quickstart_space(constraints=("prune >= 0.3", "prune <= 0.3"))
    study = searched_study(name, space=space)
    reference = completed(1, Configuration(tune=study.reference_configuration.tune, deploy={}))
    with pytest.raises(NoConfiguration, match="loosen"):
        suggest(study, [reference], 1)


@pytest.mark.parametrize("name", ["bayes", "tpe", "nsga2"])
def test_several_variants_share_the_tune_and_differ(name: str) -> None:
    study = searched_study(name, variants=4)
    trials = search(study, total=32)
    for suggestion in suggest(study, trials, 3):
        assert len({entry.key for entry in suggestion.configurations}) == 4
        assert len({entry.tune_key for entry in suggestion.configurations}) == 1
