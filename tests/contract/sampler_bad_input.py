"""Every sampler where something is wrong with what it is told. Contradictory constraints: space_contradictions.py."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from autoglm_coordinator.sampler.api import SpaceExhausted, UnsuitedSampler
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.sampler.registry import SAMPLERS, check_sampler, load_sampler
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import Direction, Objective, Weighted
from autoglm_core.space import CategoricalParameter, IntParameter, SearchSpace, TiedParameter
from autoglm_core.study import Study
from autoglm_core.trial import Observation, Trial, TrialState
from support.drawn_spaces import drawn
from support.search_spaces import numbers, study_for, with_sampler
from support.search_trials import assert_new, completed, search, searched_study, suggest

COUNTABLE = [name for name in SAMPLERS if name != "cmaes"]
"""`cmaes` refuses a space without two parameters to turn between."""


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.INFEASIBLE, TrialState.STOPPED])
def test_when_no_trial_came_to_its_end_the_search_goes_on(name: str, state: TrialState) -> None:
    study = study_for(name, variants=1)
    asked = search(with_sampler(study, "random"), total=24, batch=1)
    trials = [Trial(trial.number, trial.configuration, state) for trial in asked]
    assert_new(study, trials, 3)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("value", [0.0, 1e-9, 3.0, 1e9])
def test_one_objective_that_never_changes(name: str, value: float) -> None:
    assert_new(*spoiled(name, lambda figure: replace(figure, mean=value, standard_error=0.0), every=1), 1)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("every", [1, 3])
def test_figures_that_are_no_numbers_are_left_out(name: str, value: float, every: int) -> None:
    assert_new(*spoiled(name, lambda figure: replace(figure, mean=value), every=every), 1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_unknown_error_of_a_figure_is_no_error(name: str) -> None:
    assert_new(*spoiled(name, lambda figure: replace(figure, standard_error=math.nan), every=2), 1)


@pytest.mark.parametrize("name", COUNTABLE)
@pytest.mark.parametrize(
    "space",
    [
        SearchSpace(),
        SearchSpace(tune=(CategoricalParameter("only", ("this",)), TiedParameter("same", "only"))),
        SearchSpace(tune=(IntParameter("width", 32, 32),), deploy=(CategoricalParameter("threads", (1,)),)),
    ],
    ids=["nothing", "one choice", "one of each part"],
)
def test_a_space_of_one_point_is_suggested_once(name: str, space: SearchSpace) -> None:
    study = searched_study(name, space=space)
    first = suggest(study, [], 5)
    assert [entry.configurations for entry in first] == [(space.reference(),)]
    for trial in (completed(1, space.reference()), Trial(1, space.reference())):
        with pytest.raises(SpaceExhausted, match="all 1 configurations"):
            suggest(study, [trial], 1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_configuration_many_times_is_no_error(name: str) -> None:
    study = study_for(name, variants=1)
    once = search(with_sampler(study, "random"), total=6, batch=1)
    trials = [replace(trial, number=1 + 6 * copy + index) for copy in range(4) for index, trial in enumerate(once)]
    assert_new(study, trials, 1)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "gp"])
def test_a_pending_trial_that_never_returns_costs_its_configuration_alone(name: str) -> None:
    study = study_for(name, variants=1)
    trials = [Trial(1, suggest(study, [], 1)[0].configurations[0], TrialState.RUNNING)]
    batch = 12 if name in ("bayes", "grid") else 1  # these two take their time for the first of a batch
    while len(trials) < 61:
        for suggestion in suggest(study, trials, batch):
            trials.append(completed(len(trials) + 1, suggestion.configurations[0]))
    assert len({trial.configuration.key for trial in trials}) == len(trials) >= 61


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("cmaes", "gp", "nsga3")])
def test_fifty_objectives_are_searched_in_bounded_time(name: str) -> None:
    study = fifty_objectives(name)
    sampler = load_sampler(study)
    sampler.observe(fifty_figures(study, 40), [])
    began = time.process_time()
    assert len(sampler.suggest(1)) == 1
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("name", "use"), [("cmaes", "nsga2"), ("gp", "bayes"), ("nsga3", "bayes")])
def test_fifty_objectives_are_refused_at_submit_by_samplers_that_would_take_minutes(name: str, use: str) -> None:
    study = fifty_objectives(name)
    with pytest.raises(UnsuitedSampler, match=f"the study has 50 .*use `{use}`"):
        check_sampler(study)
    check_sampler(with_sampler(study, use))
    check_sampler(replace(study, weighted=Weighted({objective.metric: 0.02 for objective in study.objectives})))


def fifty_objectives(name: str) -> Study:
    """A study of more objectives than anybody can look at."""
    objectives = tuple(Objective(f"f{index:02}", Direction.MINIMIZE) for index in range(50))
    return searched_study(name, space=numbers(), objectives=objectives, constraints=(), variants=1)


def fifty_figures(study: Study, count: int) -> list[Observation]:
    """Squared distances from fifty points."""
    cube = UnitCube(study.space)
    rng = np.random.default_rng(3)
    centres = rng.random((50, cube.latents))
    return [
        Observation(
            cube.configuration(point),
            {
                objective.metric: Measurement(float(((point - centre) ** 2).sum()), 0.0, 1, Provenance.MEASURED)
                for objective, centre in zip(study.objectives, centres, strict=True)
            },
            fidelity=10,
            state=TrialState.COMPLETED,
        )
        for point in rng.random((count, cube.latents))
    ]


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "gp"])
def test_a_suggestion_after_a_thousand_trials_takes_bounded_processor_time(name: str) -> None:
    """`gp` needs 13 s and is not asked."""
    study = study_for(name, variants=1)
    history = history_of(study, [completed(number, drawn(study.space, number)) for number in range(1, 1001)])
    sampler = load_sampler(study)
    sampler.observe(history.completed, history.pending)
    began = time.process_time()
    assert len(sampler.suggest(1)) == 1
    assert time.process_time() - began < 5


def spoiled(name: str, change: Callable[[Measurement], Measurement], *, every: int) -> tuple[Study, list[Trial]]:
    """A study, and trials of which every so manieth has another latency on all device classes."""
    study = study_for(name, variants=1)
    trials = search(with_sampler(study, "random"), total=16, batch=1)
    return study, [_changed(trial, change) if trial.number % every == 0 else trial for trial in trials]


def _changed(trial: Trial, change: Callable[[Measurement], Measurement]) -> Trial:
    measurements = {
        device_class: {**figures, "latency_p95_ms": change(figures["latency_p95_ms"])}
        for device_class, figures in trial.measurements.items()
    }
    return replace(trial, measurements=measurements)
