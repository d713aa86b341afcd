"""The secure sum as a whole: exact sums, every way to lose sites, and nothing readable on the wire."""

import base64
from collections import Counter
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy.coordinator_session import CoordinatorSession, Phase
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.vectors import ClearVector, MaskedVector
from support.secure_sum_wire import (
    DROPPABLE,
    Deployment,
    Wire,
    completed,
    inputs_for,
    integer_sum,
    random_vector,
    result_sum,
)

FATES = (*DROPPABLE, None)


def expected_end(fates: Counter[Phase | None], sites: int, threshold: int, minimum: int) -> Phase:
    """The phase in which the protocol must give up, by arithmetic alone, or DONE."""
    left = sites
    for phase in DROPPABLE:
        left -= fates[phase]
        needed = threshold if phase in (Phase.CONSISTENCY, Phase.UNMASK) else max(threshold, minimum)
        if left < needed:
            return phase
    return Phase.DONE


@pytest.mark.parametrize("report_lost", [False, True], ids=["deadline", "lost"])
@pytest.mark.parametrize("sites", [3, 4, 5])
def test_every_multiset_of_dropouts_ends_in_the_exact_sum_or_the_typed_abort(sites: int, report_lost: bool) -> None:
    deployment = Deployment.of(sites)
    spec = deployment.spec(parameters=3)
    inputs = inputs_for(spec)
    ends: Counter[Phase] = Counter()
    for number, fates in enumerate(combinations_with_replacement(FATES, sites)):
        drops = {site: fate for site, fate in zip(spec.cohort, fates, strict=True) if fate is not None}
        wire = Wire(deployment, spec, inputs, drops, seed=number, report_lost=report_lost, late_input=number % 2 == 0)
        outcome = wire.run()
        end = expected_end(Counter(fates), sites, spec.threshold, spec.minimum_cohort)
        ends[end] += 1
        if end is Phase.DONE:
            result = completed(outcome)
            assert result_sum(result) == integer_sum([inputs[site] for site in result.survivors], spec.layout)
            gone = {site for site, fate in drops.items() if fate in DROPPABLE[:3]}
            assert set(result.dropped) == gone
        else:
            assert isinstance(outcome, at_coordinator.Aborted)
            assert (outcome.code, outcome.data["phase"]) == ("too-few-sites", end.name)
        assert not wire.site_aborts
    assert ends[Phase.DONE] == {3: 1, 4: 6, 5: 6}[sites]


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    sites=st.integers(3, 9),
    seed=st.integers(0, 2**32),
    bits=st.sampled_from([16, 32]),
    parameters=st.integers(0, 70),
    data=st.data(),
)
def test_the_sum_is_the_integer_sum(sites: int, seed: int, bits: int, parameters: int, data: st.DataObject) -> None:
    deployment = Deployment.of(sites, strangers=seed % 3)
    spec = deployment.spec(parameters=parameters, ring_bits=bits, levels=levels_for(sites, bits))
    spare = sites - spec.needed
    dropped = data.draw(st.lists(st.sampled_from(spec.cohort), unique=True, max_size=spare))
    drops = {site: data.draw(st.sampled_from(DROPPABLE)) for site in dropped}
    inputs = inputs_for(spec, seed=seed)
    result = completed(Wire(deployment, spec, inputs, drops=drops, seed=seed).run())
    assert result_sum(result) == integer_sum([inputs[site] for site in result.survivors], spec.layout)
    assert set(result.survivors) | set(result.dropped) == set(spec.cohort)


@pytest.mark.parametrize("sites", [20, 40])
def test_larger_cohorts_with_a_fifth_dropped(sites: int) -> None:
    deployment = Deployment.of(sites)
    spec = deployment.spec()
    inputs = inputs_for(spec)
    drops = {site: DROPPABLE[index % 5] for index, site in enumerate(spec.cohort[: sites // 5])}
    result = completed(Wire(deployment, spec, inputs, drops=drops).run())
    assert result_sum(result) == integer_sum([inputs[site] for site in result.survivors], spec.layout)


@pytest.mark.parametrize("sites", [1, 2, 4])
def test_without_masks_the_same_machine_sums(sites: int) -> None:
    deployment = Deployment.of(sites, minimum_cohort=1)
    spec = deployment.spec(masked=False)
    inputs = inputs_for(spec)
    result = completed(Wire(deployment, spec, inputs).run())
    assert result_sum(result) == integer_sum([inputs[site] for site in result.survivors], spec.layout)


@pytest.mark.parametrize("stored", [0, 2, 4])
def test_a_coordinator_that_dies_after_the_survivors_are_durable_is_finished_by_its_successor(stored: int) -> None:
    deployment = Deployment.of(5)
    spec = deployment.spec()
    inputs = inputs_for(spec)
    wire = Wire(deployment, spec, inputs, drops={"s02": Phase.MASK})
    expected = result_sum(completed(wire.run()))
    assert wire.stored is not None
    running = MaskedVector.from_bytes(spec.layout, bytearray(wire.stored_running))
    # Those whose shares were acknowledged are done; the others released once and are asked again.
    again = Wire(deployment, spec, inputs, drops={"s02": Phase.MASK})
    kept = [site for site, _ in wire.stored_shares[:stored]]
    again.interfere = lambda site, message: message if site in kept or message.kind.name != "ACKNOWLEDGED" else None
    again.run()
    assert again.outcome is not None
    again.outcome = None
    again.coordinator = CoordinatorSession.resume(
        spec, deployment.roster, record=wire.stored.record, running=running, unmasked=wire.stored_shares[:stored]
    )
    again.feed(at_coordinator.Opened())
    again.settle()
    assert again.outcome is not None
    assert result_sum(completed(again.outcome)) == expected
    assert not again.site_aborts


def forms(vector: ClearVector) -> dict[str, list[bytes]]:
    """What a leak of `vector` could look like, in four spellings of its canaries."""
    image = vector.to_bytes()
    pieces = [image[start : start + 24] for start in range(0, len(image) - 24, 24)]
    lanes = [int(value) for value in (*vector.tail, *vector.body)]
    return {
        "ring image": pieces,
        "decimal": [str(lane).encode() for lane in lanes if lane > 10**8],
        "hex": [piece.hex().encode() for piece in pieces],
        "base64": [base64.b64encode(piece) for piece in pieces],
    }


@pytest.mark.parametrize("masked", [True, False])
def test_canaries_leave_a_site_only_when_masks_are_off(masked: bool) -> None:
    deployment = Deployment.of(4)
    spec = deployment.spec(masked=masked, parameters=400)
    inputs = inputs_for(spec, seed=3)
    wire = Wire(deployment, spec, inputs)
    completed(wire.run())
    for site, vector in inputs.items():
        left = b"".join(wire.left[site])
        found = {name for name, canaries in forms(vector).items() if any(canary in left for canary in canaries)}
        assert found == (set() if masked else {"ring image"})


def test_the_search_for_canaries_knows_every_spelling() -> None:
    vector = random_vector(Deployment.of(3).spec(parameters=50).layout, 1)
    for canaries in forms(vector).values():
        assert canaries
        assert all(canary in b"..." + canary + b"..." for canary in canaries)


def byte_chi_square(data: bytes) -> float:
    """Against uniform bytes: mean 255, standard deviation 22.6."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    expected = len(data) / 256
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("bits", [16, 32])
def test_a_masked_vector_of_zeros_looks_like_noise(bits: int) -> None:
    deployment = Deployment.of(4)
    spec = deployment.spec(parameters=50_000, ring_bits=bits, levels=levels_for(4, bits))
    zeros = {site: ClearVector.zeros(spec.layout) for site in spec.cohort}
    wire = Wire(deployment, spec, zeros)
    completed(wire.run())
    for vector in wire.vectors.values():
        assert 160 < byte_chi_square(vector.to_bytes()) < 370
        bit_means = np.unpackbits(np.frombuffer(vector.to_bytes(), np.uint8)).mean()
        assert abs(bit_means - 0.5) < 0.003


def test_the_same_input_twice_gives_unrelated_bytes() -> None:
    deployment = Deployment.of(3)
    spec = deployment.spec(parameters=20_000)
    inputs = inputs_for(spec)
    first, second = Wire(deployment, spec, inputs, seed=1), Wire(deployment, replace(spec, attempt=2), inputs, seed=2)
    completed(first.run())
    completed(second.run())
    for site in spec.cohort:
        a, b = (np.frombuffer(wire.vectors[site].to_bytes(), np.uint8) for wire in (first, second))
        assert abs((a == b).mean() - 1 / 256) < 0.002
        assert byte_chi_square((a - b).tobytes()) < 370
