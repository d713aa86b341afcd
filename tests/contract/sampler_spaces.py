"""Every sampler on every kind of space, and `bayes` and `random` on spaces drawn at random."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from autoglm_coordinator.sampler.api import SpaceExhausted, Suggestion
from autoglm_core.configuration import Configuration
from autoglm_core.space import SearchSpace
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState
from support.drawn_spaces import spaces
from support.search_spaces import EVERY, SUITED, study_over, suited
from support.search_trials import completed, searched_study, suggest

TOTAL = {"bayes": 28, "gp": 14}
"""Trials of a search, past its spread beginning, where a suggestion takes longer than a few milliseconds."""
USUAL = 24
STATES = (TrialState.FAILED, TrialState.STOPPED, TrialState.INFEASIBLE, TrialState.PENDING)
"""Of every other trial, in turn."""


@pytest.mark.parametrize(("kind", "name"), SUITED)
def test_a_search_stays_in_the_space_and_says_nothing_twice(kind: str, name: str) -> None:
    study = study_over(kind, name)
    assert_sound(study, mixed_search(study, TOTAL.get(name, USUAL)))


@pytest.mark.parametrize(("kind", "name"), [entry for entry in EVERY if entry not in SUITED])
def test_what_a_sampler_cannot_search_is_refused_at_submit_with_one_that_can(kind: str, name: str) -> None:
    assert name in ("cmaes", "gp", "grid")
    assert not suited(study_over(kind, name))


@pytest.mark.parametrize(("name", "examples"), [("bayes", 8), ("random", 40)])
def test_spaces_drawn_at_random_are_searched(name: str, examples: int) -> None:
    # A search takes a second or two, and smaller spaces than these say no more: nothing is shrunk.
    @settings(max_examples=examples, deadline=None, phases=[Phase.generate], derandomize=True)
    @given(space=spaces(), seed=st.integers(0, 2**53))
    def searched(space: SearchSpace, seed: int) -> None:
        study = searched_study(name, space=space, seed=seed)
        assert_sound(study, mixed_search(study, 24))

    searched()


def mixed_search(study: Study, total: int) -> list[Trial]:
    """Trials of a search in which every other one failed, was stopped, was refused or is still under way.

    It ends at `total`, or where the space does.
    """
    trials: list[Trial] = []
    while len(trials) < total:
        try:
            suggestions = suggest(study, trials, 3)
        except SpaceExhausted:
            break
        trials += [ended(len(trials) + 1 + index, entry) for index, entry in enumerate(configurations(suggestions))]
    return trials


def configurations(suggestions: list[Suggestion]) -> list[Configuration]:
    """All of them, in order."""
    return [entry for suggestion in suggestions for entry in suggestion.configurations]


def ended(number: int, configuration: Configuration) -> Trial:
    """The trial as it ends, if it does."""
    turn, odd = divmod(number, 2)
    return Trial(number, configuration, STATES[turn % 4]) if odd and number > 1 else completed(number, configuration)


def assert_sound(study: Study, trials: list[Trial]) -> None:
    """All in the space and all different; a countable space is used up before less than `total` come back."""
    assert trials
    for trial in trials:
        study.space.check(trial.configuration)
    assert len({trial.configuration.key for trial in trials}) == len(trials)
