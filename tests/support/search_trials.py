"""A study to search and trials whose figures follow from their configuration: no daemon, no training."""

from __future__ import annotations

import math
from collections.abc import Mapping

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.sampler.registry import load_sampler
from autoglm_core.configuration import Configuration
from autoglm_core.constraint import Constraint
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_core.objective import Direction, Objective, Weighted
from autoglm_core.schema import ImageSchema
from autoglm_core.space import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Parameter,
    Scale,
    SearchSpace,
    TiedParameter,
)
from autoglm_core.study import Budget, SamplerSpec, Study
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState

CLASSES = {"one-core": 1.0, "two-core": 0.6}
"""Device classes, and by how much the second thread helps."""
ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
LATENCY = Objective("latency_p95_ms", Direction.MINIMIZE)
ENERGY = Objective("energy_mj", Direction.MINIMIZE)


def quickstart_space(*, conditions: bool = True, constraints: tuple[str, ...] = ()) -> SearchSpace:
    """The quickstart's, with or without its condition."""
    tune: list[Parameter] = [
        FloatParameter("learning_rate", 1e-3, 1e-1, Scale.LOG),
        CategoricalParameter("batch_size", (16, 32, 64)),
        IntParameter("local_epochs", 1, 3),
        CategoricalParameter("width", (16, 32, 64)),
        CategoricalParameter("aggregator", ("fedavg", "fedadam", "fedyogi")),
    ]
    if conditions:
        when = (Condition("aggregator", ("fedadam", "fedyogi")),)
        tune.append(FloatParameter("server_learning_rate", 1e-3, 1.0, Scale.LOG, when))
    deploy: list[Parameter] = [
        FloatParameter("prune", 0.0, 0.6),
        CategoricalParameter("quantization", ("none", "int8-dynamic", "int8-static")),
        CategoricalParameter("threads", (1, 2)),
        TiedParameter("export_batch", "batch_size"),
    ]
    return SearchSpace(tuple(tune), tuple(deploy), tuple(Constraint(text) for text in constraints))


def small_space() -> SearchSpace:
    """Twelve configurations: three tunes with four deploy parts each."""
    return SearchSpace(
        tune=(CategoricalParameter("width", (16, 32, 64)),),
        deploy=(CategoricalParameter("quantization", ("none", "int8")), CategoricalParameter("threads", (1, 2))),
    )


def searched_study(
    sampler: str = "tpe",
    *,
    space: SearchSpace | None = None,
    objectives: tuple[Objective, ...] = (ACCURACY, LATENCY, ENERGY),
    weighted: Mapping[str, float] | None = None,
    constraints: tuple[str, ...] = ("size_mb <= 0.25",),
    seed: int = 7,
    variants: int | None = 2,
) -> Study:
    """A study over `space`, by default the quickstart's (flat for `gp`)."""
    return Study(
        name="searched",
        workload="image-classification",
        data="digits",
        model="small-cnn",
        schema=ImageSchema(height=8, width=8, channels=1, scale=16.0, classes=tuple("0123456789")),
        space=space or quickstart_space(conditions=sampler != "gp"),
        objectives=objectives,
        weighted=None if weighted is None else Weighted(weighted),
        rounds=10,
        budget=Budget(trials=48),
        workload_version=1,
        constraints=tuple(Constraint(text) for text in constraints),
        sampler=SamplerSpec(name=sampler, seed=seed, variants=variants),
        device_classes=tuple(CLASSES),
    )


def completed(number: int, configuration: Configuration) -> Trial:
    """The trial as it ends: infeasible above 0.25 MB, else completed."""
    figures = {name: _figures(configuration, gain) for name, gain in CLASSES.items()}
    probe = StageRecord(StageName.PROBE, "0" * 64, cached=False, seconds=0.1)
    if figures["one-core"]["size_mb"].mean > 0.25:
        shapes = {name: {m: v for m, v in entry.items() if m != "accuracy"} for name, entry in figures.items()}
        return Trial(number, configuration, TrialState.INFEASIBLE, (probe,), shapes, tuple(CLASSES))
    tune = StageRecord(StageName.TUNE, "1" * 64, cached=False, seconds=2.0, rounds=10)
    return Trial(number, configuration, TrialState.COMPLETED, (probe, tune), figures)


def _figures(configuration: Configuration, gain: float) -> dict[str, Measurement]:
    values = {**configuration.tune, **configuration.deploy}
    wide = float(values.get("width", 16)) / 16
    prune, threads = float(values.get("prune", 0.0)), values.get("threads", 1)
    rate = float(values.get("learning_rate", 2e-2))
    shrunk = values.get("quantization", "none") != "none"
    slow = values.get("aggregator", "fedavg") != "fedavg"
    accuracy = 0.97 - 0.05 * abs(math.log10(rate / 2e-2)) - 0.4 * prune**2 / wide - 0.1 * slow - 0.004 * shrunk
    latency = 0.05 * wide**1.5 * (1 - 0.8 * prune) * (0.6 if shrunk else 1.0) * (gain if threads == 2 else 1.0)
    return {
        "accuracy": Measurement(accuracy, 0.009, 359, Provenance.SECURE_SUM, Split.VALIDATION),
        "latency_p95_ms": measured(latency),
        "energy_mj": Measurement(3 * latency * (1.3 if threads == 2 else 1.0), 0.01, 6400, Provenance.MODELLED),
        "size_mb": Measurement(wide**2 * 0.03 * (1 - prune) * (1 if shrunk else 4), 0.0, 1, Provenance.EXACT),
    }


def measured(mean: float) -> Measurement:
    """A measured figure with an error of 2 %."""
    return Measurement(mean, abs(mean) * 0.02, 6400, Provenance.MEASURED)


def validated(mean: float, standard_error: float = 0.01) -> Measurement:
    """A validation figure."""
    return Measurement(mean, standard_error, 359, Provenance.SECURE_SUM, Split.VALIDATION)


def suggest(study: Study, trials: list[Trial], n: int) -> list[Suggestion]:
    """As after a restart: nothing but the trials is carried over."""
    history = history_of(study, trials)
    sampler = load_sampler(study)
    sampler.observe(history.completed, history.pending)
    return sampler.suggest(n)


def search(study: Study, *, total: int, batch: int = 4) -> list[Trial]:
    """Trials of a search that knows nothing but its trials from one batch to the next."""
    trials: list[Trial] = []
    while len(trials) < total:
        for suggestion in suggest(study, trials, batch):
            trials += [
                completed(number, configuration)
                for number, configuration in enumerate(suggestion.configurations, start=len(trials) + 1)
            ]
    return trials


def assert_new(study: Study, trials: list[Trial], n: int) -> None:
    """`n` suggestions in the space, of which none is among `trials` or comes twice."""
    suggestions = suggest(study, trials, n)
    assert len(suggestions) == n
    suggested = [entry for suggestion in suggestions for entry in suggestion.configurations]
    for configuration in suggested:
        study.space.check(configuration)
    keys = {entry.key for entry in suggested}
    assert len(keys) == len(suggested)
    assert not keys & {trial.configuration.key for trial in trials}
