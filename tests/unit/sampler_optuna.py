"""The adapter over Optuna: names, conditions, held tunes, quiet, and whether it finds anything."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest

from autoglm_coordinator.sampler.api import UnknownSampler, UnsuitedSampler
from autoglm_coordinator.sampler.dimensions import Dimensions
from autoglm_coordinator.sampler.engines import ENGINES, Situation
from autoglm_coordinator.sampler.enumeration import LIMIT, grid_over
from autoglm_coordinator.sampler.registry import check_sampler, load_sampler
from autoglm_coordinator.sampler.tasks import TABLE
from autoglm_core.configuration import Configuration
from autoglm_core.space import CategoricalParameter, FloatParameter, IntParameter, Scale, SearchSpace
from autoglm_core.study import Study
from autoglm_core.trial import Observation, TrialState
from support.search_trials import (
    ACCURACY,
    LATENCY,
    completed,
    quickstart_space,
    search,
    searched_study,
    small_space,
    suggest,
    validated,
)

SUM = {"accuracy": 0.6, "latency_p95_ms": 0.3, "energy_mj": 0.1}


def line() -> SearchSpace:
    """One number."""
    return SearchSpace(tune=(FloatParameter("learning_rate", 1e-3, 1e-1, Scale.LOG),))


def numbers() -> SearchSpace:
    """The quickstart's parameters that are numbers."""
    space = quickstart_space(conditions=False)
    kept = ("learning_rate", "batch_size", "local_epochs", "width", "prune", "threads")
    return SearchSpace(
        tune=tuple(entry for entry in space.tune if entry.name in kept),
        deploy=tuple(entry for entry in space.deploy if entry.name in kept),
    )


def test_an_unknown_sampler_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownSampler, match="did you mean `tpe`"):
        load_sampler(searched_study("tpee"))


def test_gp_refuses_a_space_with_conditions_and_names_one_that_can() -> None:
    with pytest.raises(UnsuitedSampler, match="use `bayes`"):
        check_sampler(searched_study("gp", space=quickstart_space()))


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (searched_study("cmaes", space=numbers()), "`weighted` makes one.*use `nsga2`"),
        (searched_study("cmaes", space=quickstart_space(), weighted=SUM), "under a condition; use `bayes`"),
        (searched_study("cmaes", space=quickstart_space(conditions=False), weighted=SUM), "`aggregator` is no number"),
        (searched_study("cmaes", space=line(), objectives=(ACCURACY,)), "needs two parameters"),
    ],
)
def test_cmaes_refuses_what_it_would_draw_at_random(study: Study, message: str) -> None:
    with pytest.raises(UnsuitedSampler, match=message):
        check_sampler(study)


def test_grid_refuses_a_space_whose_coarsest_grid_is_endless() -> None:
    parameters = tuple(FloatParameter(f"x{index}", 0.0, 1.0) for index in range(20))
    with pytest.raises(UnsuitedSampler, match="use `random`"):
        check_sampler(searched_study("grid", space=SearchSpace(tune=parameters)))


def test_a_grid_keeps_both_ends_on_their_scale() -> None:
    space = SearchSpace(tune=(FloatParameter("rate", 1e-4, 1.0, Scale.LOG), IntParameter("rank", 1, 64, Scale.LOG)))
    rate, rank = grid_over(space).tune
    assert isinstance(rate, CategoricalParameter) and isinstance(rank, CategoricalParameter)
    assert rate.choices == (1e-4, 1e-3, 1e-2, 0.1, 1.0)
    assert rank.choices == (1, 3, 8, 23, 64)
    assert (grid_over(quickstart_space()).size() or 0) <= LIMIT


def test_values_survive_the_way_through_optuna_with_their_type() -> None:
    space = SearchSpace(
        tune=(
            CategoricalParameter("mixed", (1, 1.0, True, "1")),
            CategoricalParameter("numbers", (64, 16, 32)),
            FloatParameter("rate", 1e-3, 1.0, Scale.LOG),
            IntParameter("epochs", 1, 9),
        )
    )
    dimensions = Dimensions(space)
    for value in (1, 1.0, True, "1"):
        mixed = dimensions.by_name["mixed"]
        back = mixed.from_optuna(mixed.to_optuna(value))
        assert (type(back), back) == (type(value), value)
    assert dimensions.by_name["numbers"].from_optuna(1) == 16
    assert dimensions.by_name["rate"].from_optuna(0.123456789) == 0.123457
    assert dimensions.by_name["rate"].from_optuna(1.0000004) == 1.0


def test_the_child_task_is_the_sampler_over_json() -> None:
    study = searched_study()
    trials = search(study, total=16)
    meta = {"study": study.to_json(), "trials": [trial.to_json() for trial in trials], "n": 3, "earlier": []}
    answer, blobs = TABLE["suggest"](meta, [])
    assert answer == {"suggestions": [entry.to_json() for entry in suggest(study, trials, 3)], "outlook": None}
    assert blobs == []


def test_the_child_task_answers_an_exhausted_space_with_nothing() -> None:
    study = searched_study(space=small_space())
    trials = [completed(number, entry) for number, entry in enumerate(study.space.grid(), start=1)]
    meta = {"study": study.to_json(), "trials": [trial.to_json() for trial in trials], "n": 1, "earlier": []}
    answer, _ = TABLE["suggest"](meta, [])
    assert answer == {"suggestions": [], "outlook": None}


def test_optuna_says_nothing_and_keeps_its_settings(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("optuna")
    level = logger.level
    search(searched_study(), total=16)
    assert capfd.readouterr() == ("", "")
    assert logger.level == level


def sought(name: str, *, end: float, seed: int) -> dict[str, float]:
    """One draw with x held, where good values of y equal x."""
    space = {axis: optuna.distributions.FloatDistribution(0, 1) for axis in "xy"}
    engine = ENGINES[name](
        Situation(seed=seed, draw=seed, distributions=space, conditions=False, tunes=40, known=40, trials=60)
    )
    study = optuna.create_study(sampler=engine)
    for x, y in np.random.default_rng(0).random((40, 2)):
        params = {"x": float(x), "y": float(y)}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=float((x - y) ** 2)))
    engine.held = {"x": end}
    return dict(study.ask(space).params)


@pytest.mark.parametrize(("name", "draws"), [("tpe", 20), ("gp", 1)])
def test_a_held_parameter_stays_and_the_others_are_sought_for_its_value(
    name: str, draws: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="optuna")
    low, high = ([sought(name, end=end, seed=seed) for seed in range(draws)] for end in (0.1, 0.9))
    assert {entry["x"] for entry in low} == {0.1} and {entry["x"] for entry in high} == {0.9}
    assert np.mean([entry["y"] for entry in high]) - np.mean([entry["y"] for entry in low]) > 0.2


def test_tpe_finds_better_than_random_and_spends_less_on_infeasible_shapes() -> None:
    def outcome(name: str, seed: int) -> tuple[float, int]:
        study = searched_study(name, seed=seed, objectives=(ACCURACY, LATENCY))
        trials = search(study, total=48)
        good = [trial.measurements["one-core"] for trial in trials if trial.state is TrialState.COMPLETED]
        area = max(figures["accuracy"].mean - 0.1 * np.log(figures["latency_p95_ms"].mean) for figures in good)
        return area, 48 - len(good)

    model, chance = (np.array([outcome(name, seed) for seed in range(3)]) for name in ("tpe", "random"))
    assert model[:, 0].mean() > chance[:, 0].mean()
    assert model[:, 1].mean() < chance[:, 1].mean()


def test_infeasible_observations_repel_although_their_figures_are_the_best() -> None:
    space = SearchSpace(tune=(FloatParameter("x", 0.0, 1.0),))
    study = searched_study(space=space, objectives=(ACCURACY,), constraints=(), variants=1)
    observations = [
        Observation(
            Configuration({"x": x}),
            {"accuracy": validated(x)},
            fidelity=10,
            state=TrialState.COMPLETED if x <= 0.5 else TrialState.INFEASIBLE,
        )
        for x in np.linspace(0.01, 0.99, 40).round(3).tolist()
    ]

    def share_above(entries: list[Observation]) -> float:
        sampler = load_sampler(study)
        sampler.observe(entries, ())
        return float(np.mean([float(suggestion.tune["x"]) > 0.55 for suggestion in sampler.suggest(12)]))

    assert share_above([replace(entry, state=TrialState.COMPLETED) for entry in observations]) > 0.8
    assert share_above(observations) < 0.4


def test_suggesting_four_tunes_at_fifty_trials_is_quick() -> None:
    study = searched_study()
    trials = search(study, total=48)
    start = time.perf_counter()
    suggest(study, trials, 4)
    assert time.perf_counter() - start < 0.5


def test_gp_searches_a_flat_space_with_constraints() -> None:
    study = searched_study("gp", objectives=(ACCURACY, LATENCY))
    trials = search(searched_study("random", space=study.space, objectives=(ACCURACY, LATENCY)), total=16)
    assert {trial.state for trial in trials} == {TrialState.COMPLETED, TrialState.INFEASIBLE}
    (first,) = suggest(study, trials, 1)
    assert suggest(study, trials, 1) == [first]
    for configuration in first.configurations:
        study.space.check(configuration)


@pytest.mark.parametrize(("name", "space"), [("nsga3", None), ("qmc", None), ("cmaes", numbers())])
def test_the_further_samplers_of_optuna_search_a_whole_study(name: str, space: SearchSpace | None) -> None:
    study = searched_study(name, space=space, weighted=SUM if name == "cmaes" else None)
    trials = search(study, total=48)
    assert len({trial.configuration.key for trial in trials}) == len(trials)
    assert suggest(study, trials, 3) == suggest(study, list(reversed(trials)), 3)


def test_cmaes_moves_to_where_the_sum_is_better() -> None:
    space = SearchSpace(tune=(FloatParameter("x", 0.0, 1.0), FloatParameter("y", 0.0, 1.0)))

    def last_distance(name: str) -> float:
        study = searched_study(name, space=space, objectives=(ACCURACY,), constraints=(), variants=1)
        sampler = load_sampler(study)
        seen: list[Observation] = []
        distances: list[float] = []
        for _ in range(10):
            sampler.observe(seen, ())
            for suggestion in sampler.suggest(6):
                distance = float(np.hypot(float(suggestion.tune["x"]) - 0.85, float(suggestion.tune["y"]) - 0.2))
                distances.append(distance)
                figures = {"accuracy": validated(1 - distance**2)}
                seen.append(Observation(suggestion.configurations[0], figures, 10, TrialState.COMPLETED))
        return float(np.mean(distances[-12:]))

    assert last_distance("cmaes") < 0.5 * last_distance("random")


def test_qmc_covers_the_space_with_its_tunes_and_with_their_variants() -> None:
    space = SearchSpace(tune=(FloatParameter("x", 0.0, 1.0),), deploy=(FloatParameter("prune", 0.0, 1.0),))
    study = searched_study("qmc", space=space, objectives=(ACCURACY,), constraints=(), variants=4)
    reference = completed(1, study.reference_configuration)
    suggested = suggest(study, [reference], 16)
    tunes = [float(suggestion.tune["x"]) for suggestion in suggested]
    further = [float(variant["prune"]) for suggestion in suggested for variant in suggestion.variants[1:]]
    for values in (tunes, further):
        assert np.histogram(values, bins=8, range=(0, 1))[0].min() >= 1
