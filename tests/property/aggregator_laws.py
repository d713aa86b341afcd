"""Laws of the aggregators and of their stored state."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoglm_coordinator.federation.aggregator_state import AggregatorState, BadAggregatorState
from autoglm_coordinator.federation.aggregators import AGGREGATORS, load_aggregator
from autoglm_core.workload import Vector

SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)
NAMES = sorted(AGGREGATORS)
# Weights below 2^-20 of the largest would only test how float32 rounds.
weights = arrays(np.float32, 12, elements=st.floats(-4, 4, width=32).map(lambda value: round(value * 1024) / 1024))


def run(name: str, start: Vector, deltas: list[Vector], **options: float) -> tuple[Vector, AggregatorState]:
    aggregator, parameters, state = load_aggregator({"aggregator": name, **options}), start, AggregatorState()
    for delta in deltas:
        parameters, state = aggregator.step(parameters, delta, state)
    return parameters, state


@SETTINGS
@given(start=weights, site=weights)
def test_fedavg_of_one_site_is_that_site(start: Vector, site: Vector) -> None:
    np.testing.assert_array_equal(run("fedavg", start, [site - start])[0], site)


@SETTINGS
@given(start=weights, delta=weights)
def test_fedavgm_without_momentum_at_rate_one_is_fedavg(start: Vector, delta: Vector) -> None:
    plain, _ = run("fedavg", start, [delta, delta])
    np.testing.assert_array_equal(run("fedavgm", start, [delta, delta], server_momentum=0.0)[0], plain)


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(start=weights)
def test_no_change_at_the_sites_is_no_change_at_all(name: str, start: Vector) -> None:
    still = np.zeros_like(start)
    np.testing.assert_array_equal(run(name, start, [still, still])[0], start)


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(start=weights, first=weights, second=weights, order=st.permutations(range(12)))
def test_the_order_of_parameters_does_not_matter(
    name: str, start: Vector, first: Vector, second: Vector, order: list[int]
) -> None:
    moved, _ = run(name, start, [first, second])
    permuted, _ = run(name, start[order], [first[order], second[order]])
    np.testing.assert_array_equal(permuted, moved[order])


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(start=weights, delta=weights)
def test_the_first_step_goes_where_the_sites_went(name: str, start: Vector, delta: Vector) -> None:
    moved, _ = run(name, start, [delta])
    assert ((moved - start) * delta >= 0).all()


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(start=weights, delta=weights)
def test_nothing_passed_in_is_changed(name: str, start: Vector, delta: Vector) -> None:
    aggregator, before = load_aggregator({"aggregator": name}), (start.copy(), delta.copy())
    _, state = aggregator.step(start, delta, AggregatorState())
    kept = state.encode()
    aggregator.step(start, delta, state)
    assert state.encode() == kept
    np.testing.assert_array_equal(np.stack([start, delta]), np.stack(before))


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(start=weights, first=weights, second=weights)
def test_a_run_that_was_stored_and_read_goes_on_with_the_same_bits(
    name: str, start: Vector, first: Vector, second: Vector
) -> None:
    whole, end = run(name, start, [first, second])
    half, state = run(name, start, [first])
    resumed, stored_end = load_aggregator({"aggregator": name}).step(
        half, second, AggregatorState.decode(state.encode())
    )
    assert resumed.tobytes() == whole.tobytes()
    assert stored_end.encode() == end.encode()


@SETTINGS
@given(data=st.binary(max_size=200), cut=st.integers(0, 100), flip=st.integers(0, 10_000))
def test_foreign_bytes_end_in_one_error(data: bytes, cut: int, flip: int) -> None:
    good = AggregatorState(3, {"first": np.ones(4, np.float32), "second": np.zeros(4, np.float32)}).encode()
    damaged = bytearray(good)
    damaged[flip % len(good)] ^= 0x10
    for candidate in (data, good[: cut % len(good)], good + data, bytes(damaged)):
        try:
            AggregatorState.decode(candidate)
        except BadAggregatorState:
            continue


def test_a_length_that_is_no_length_allocates_nothing() -> None:
    state = AggregatorState(1, {"first": np.ones(1, np.float32)}).encode()
    with pytest.raises(BadAggregatorState):
        AggregatorState.decode(state.replace(b'["first",1]', b'["first",9]'))
    with pytest.raises(BadAggregatorState):
        AggregatorState.decode(state.replace(b"\x00\x00\x80\x3f", b"\x00\x00\xc0\x7f"))
