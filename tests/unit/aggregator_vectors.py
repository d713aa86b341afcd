"""The aggregators against what flwr's classes made of the same rounds (see benchmarks/make_aggregator_vectors.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_coordinator.federation.aggregators import AGGREGATORS, AggregateNotFinite, load_aggregator
from autoglm_core.canonical import Json
from autoglm_core.study_error import StudyError
from autoglm_core.workload import WrongLength
from autoglm_workloads import aggregator_options

VECTORS: Json = json.loads((Path(__file__).parents[1] / "data" / "aggregators.json").read_text())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["tune"]["aggregator"])
def test_rounds_follow_flower_over_a_stored_state(case: Json) -> None:
    aggregator = load_aggregator(case["tune"])
    parameters, state = np.array(case["initial"], np.float32), AggregatorState()
    for number, expected in enumerate(case["rounds"], start=1):
        parameters, state = aggregator.step(parameters, np.array(expected["delta"], np.float32), state)
        state = AggregatorState.decode(state.encode())
        np.testing.assert_allclose(parameters, expected["parameters"], atol=2e-6, err_msg=f"round {number}")
        assert parameters.dtype == np.float32


def test_vectors_cover_every_aggregator_with_arithmetic_of_its_own() -> None:
    assert {case["tune"]["aggregator"] for case in VECTORS["cases"]} == {
        "fedavg",
        "fedavgm",
        "fedadam",
        "fedyogi",
        "fedadagrad",
    }
    assert VECTORS["flwr"].startswith("1.41.")


def test_every_aggregator_that_a_study_may_name_is_here_and_no_other() -> None:
    assert set(AGGREGATORS) == set(aggregator_options.AGGREGATORS)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(StudyError, match=r"search\.tune\.aggregator: must be one of fedavg, "):
        load_aggregator({"aggregator": "fed-adam"})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("server_learning_rate", 0.0),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("tau", 0),
        ("tau", float("nan")),
        ("beta1", "0.9"),
        ("server_momentum", True),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(option: str, value: float | str) -> None:
    with pytest.raises(StudyError, match=rf"search\.tune\.{option}"):
        load_aggregator({"aggregator": "fedadam", option: value})


def test_a_delta_of_another_length_is_refused() -> None:
    with pytest.raises(WrongLength):
        load_aggregator({}).step(np.zeros(4, np.float32), np.zeros(3, np.float32), AggregatorState())


def test_a_model_that_left_float32_is_no_model() -> None:
    largest = np.full(3, np.finfo(np.float32).max, np.float32)
    with pytest.raises(AggregateNotFinite):
        load_aggregator({}).step(largest, largest, AggregatorState())
