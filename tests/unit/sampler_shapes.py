"""What is known of a configuration before it is trained: looked up by its shape, or computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from autoglm_coordinator.sampler.shapes import MeasuredShapes
from autoglm_coordinator.sampler.tasks import suggest
from autoglm_core.configuration import Configuration, Value
from autoglm_core.study import Study
from autoglm_core.trial import Trial, TrialState
from autoglm_workloads.registry import load_workload
from support.search_trials import ACCURACY, LATENCY, completed, measured, searched_study

MOST_MB = 0.08


def configuration(rate: float = 0.02, *, width: int = 16, **deploy: Value) -> Configuration:
    tune: dict[str, Value] = {
        "learning_rate": rate,
        "batch_size": 16,
        "local_epochs": 1,
        "width": width,
        "aggregator": "fedavg",
    }
    return Configuration(tune, {"prune": 0.0, "quantization": "none", "threads": 1, "export_batch": 16, **deploy})


def shapes(study: Study, trials: Sequence[Trial]) -> MeasuredShapes:
    return MeasuredShapes(study, load_workload(study.workload).model_side, trials)


def study_of(*constraints: str) -> Study:
    return searched_study("bayes", objectives=(ACCURACY, LATENCY), constraints=constraints, variants=1)


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.PENDING])
def test_costs_are_known_of_every_trial_of_a_shape_that_was_measured(state: TrialState) -> None:
    trial = replace(completed(1, configuration(0.02)), state=state)
    found = shapes(study_of(), [trial]).known(configuration(0.05))
    for name, figures in trial.measurements.items():
        assert found[name]["latency_p95_ms"] == figures["latency_p95_ms"]
        assert "accuracy" not in found[name]


@pytest.mark.parametrize("other", [{"threads": 2}, {"prune": 0.5}, {"quantization": "int8-dynamic"}, {"width": 32}])
def test_nothing_is_measured_of_another_shape_or_other_threads(other: dict[str, Value]) -> None:
    known = shapes(study_of(), [completed(1, configuration())]).known(configuration(**other))  # type: ignore[arg-type]
    assert not any(known.values())


def test_a_fraction_that_prunes_the_same_channels_is_the_same_shape() -> None:
    trial = completed(1, configuration(prune=0.5))
    known = shapes(study_of(), [trial]).known(configuration(prune=0.501))
    assert known["one-core"]["latency_p95_ms"] == trial.measurements["one-core"]["latency_p95_ms"]


def test_the_first_measurement_of_a_shape_stands() -> None:
    first, second = completed(1, configuration(0.01)), completed(2, configuration(0.02))
    again = {name: {**figures, "latency_p95_ms": measured(9.0)} for name, figures in second.measurements.items()}
    for trials in ([first, replace(second, measurements=again)], [replace(second, measurements=again), first]):
        known = shapes(study_of(), trials).known(configuration(0.03))
        assert known["one-core"]["latency_p95_ms"] == first.measurements["one-core"]["latency_p95_ms"]


def test_size_is_computed_where_the_study_asks_for_it() -> None:
    study = study_of("size_mb <= 0.25")
    side, wide = load_workload(study.workload).model_side, configuration(width=64)
    known = shapes(study, []).known(wide)
    assert set(known) == set(study.device_classes)
    exported = side.export(study, wide, side.initial(study, wide.tune, b"1" * 32), side.probe_constants(study), None)
    assert known["one-core"]["size_mb"].mean == exported.size_bytes / 1e6
    assert not any(shapes(study_of(), []).known(wide).values())


def sizes(study: Study, configurations: Sequence[Configuration]) -> list[float]:
    """Of their exports."""
    side = load_workload(study.workload).model_side
    return [side.exact_figures(study, entry)["size_mb"] for entry in configurations]


def as_probed(study: Study, trial: Trial) -> Trial:
    """With the size that its export has, and infeasible where that is too large."""
    (size,) = sizes(study, [trial.configuration])
    exact = {
        name: {**figures, "size_mb": replace(figures["size_mb"], mean=size)}
        for name, figures in trial.measurements.items()
    }
    if size <= MOST_MB:
        return replace(trial, state=TrialState.COMPLETED, measurements=exact, refused_by=())
    return replace(trial, state=TrialState.INFEASIBLE, measurements=exact, refused_by=study.device_classes)


def suggested(study: Study, trials: Sequence[Trial], n: int) -> list[Configuration]:
    """By the task that runs in the coordinator's child."""
    meta = {"study": study.to_json(), "trials": [trial.to_json() for trial in trials], "n": n, "earlier": []}
    answer, _ = suggest(meta, [])
    return [Configuration(entry["tune"], deploy) for entry in answer["suggestions"] for deploy in entry["variants"]]


def test_no_two_variants_of_a_tuned_model_are_one_model() -> None:
    """Fractions between two whole channels differ as values and in nothing else."""
    study = searched_study("bayes", objectives=(ACCURACY, LATENCY), variants=None)
    known = shapes(study, [])
    told: list[Configuration] = []
    while len(told) < 52:
        trials = [completed(number, entry) for number, entry in enumerate(told, start=1)]
        told += suggested(study, trials, 2)
    models = Counter((entry.tune_key, known.shape(entry)) for entry in told)
    assert models.most_common(1)[0][1] == 1
    assert len(models) > len({entry.tune_key for entry in told}), "there were further variants"


def test_nothing_is_suggested_that_is_known_to_be_too_large() -> None:
    study, free = study_of(f"size_mb <= {MOST_MB}"), study_of()
    start = suggested(study, [], 12)
    assert max(sizes(study, start)) <= MOST_MB < max(sizes(study, suggested(free, [], 12)))
    trials = [as_probed(study, completed(number, entry)) for number, entry in enumerate(start, start=1)]
    assert max(sizes(study, suggested(study, trials, 4))) <= MOST_MB


def test_where_everything_is_too_large_the_search_goes_on() -> None:
    assert len(suggested(study_of("size_mb <= 0.0001"), [], 3)) == 3
