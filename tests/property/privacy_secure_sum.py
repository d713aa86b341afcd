"""What leaves a site: nothing readable, nothing that repeats; and the sum without masks."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.vectors import ClearVector
from support.secure_sum_wire import (
    Deployment,
    Wire,
    completed,
    inputs_for,
    integer_sum,
    random_vector,
    result_sum,
)


@pytest.mark.parametrize("sites", [1, 2, 4])
def test_without_masks_the_same_machine_sums(sites: int) -> None:
    deployment = Deployment.of(sites, minimum_cohort=1)
    spec = deployment.spec(masked=False)
    inputs = inputs_for(spec)
    result = completed(Wire(deployment, spec, inputs).run())
    assert result_sum(result) == integer_sum([inputs[site] for site in result.survivors], spec.layout)


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
