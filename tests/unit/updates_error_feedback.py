"""Error feedback by its laws: nothing is lost, a round again gives the same bits, and 32 bits are as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autoglm_compression.updates.error_feedback import compress, feedback_in_force, first_residual
from autoglm_compression.updates.mean_delta import mean_delta
from autoglm_compression.updates.pattern import pattern_of
from autoglm_core.privacy.ring import BadWeight, NonFiniteUpdate, dequantize_sum, levels_for, quantize
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import WrongVector
from autoglm_core.study import Protection
from autoglm_core.workload import Vector
from support.secure_sum_wire import Deployment

DEPLOYMENT = Deployment.of(4)
DIMENSION = 700
WEIGHTS = (10, 300, 0, 690)
"""Training rows of the four sites; one has none."""
RINGS = [(32, 0.25), (16, 1.0), (16, 0.25), (16, 0.01)]


def spec_of(number: int, *, bits: int, share: float, **changes: Any) -> SessionSpec:
    lanes = max(1, int(share * DIMENSION))
    levels = levels_for(4, bits)
    return DEPLOYMENT.spec(
        parameters=lanes, dimension=DIMENSION, round=number, ring_bits=bits, levels=levels, **{"clip": 0.5, **changes}
    )


def delta_of(site: int, number: int) -> Vector:
    return np.random.default_rng([site, number]).normal(0.0, 0.02, DIMENSION).astype(np.float32)


def key_of(site: int, number: int) -> bytes:
    return bytes([site, number]) * 16


def sites_of(spec: SessionSpec) -> list[Vector]:
    """What the four sites begin with."""
    return [
        first_residual(weight=weight, spec=spec, rounding_key=bytes([site]) * 32) for site, weight in enumerate(WEIGHTS)
    ]


def together(vectors: list[Vector]) -> NDArray[np.float64]:
    """Added by their weights."""
    return np.array(WEIGHTS, np.float64) @ np.array(vectors, np.float64)


@pytest.mark.parametrize(("bits", "share"), RINGS)
@pytest.mark.parametrize("clip", [0.5, 0.001])
def test_what_sites_sent_and_what_they_keep_is_what_they_computed(bits: int, share: float, clip: float) -> None:
    """Over 40 rounds; with the small clip most of it is cut off at first, and none of it is lost."""
    residuals = sites_of(spec_of(0, bits=bits, share=share, clip=clip))
    sent, computed = np.zeros(DIMENSION), together(residuals)
    clipped = 0
    for number in range(40):
        spec = spec_of(number, bits=bits, share=share, clip=clip)
        deltas = [delta_of(site, number) for site in range(4)]
        made = [
            compress(delta, residual, weight=weight, spec=spec)
            for delta, residual, weight in zip(deltas, residuals, WEIGHTS, strict=True)
        ]
        residuals = [entry.residual for entry in made]
        clipped += sum(entry.clipped for entry in made)
        computed += together(deltas)
        total = np.sum([entry.body for entry in made], axis=0, dtype=spec.layout.body_dtype)
        sent += sum(WEIGHTS) * mean_delta(total, weight_sum=sum(WEIGHTS), spec=spec).astype(np.float64)
    assert (clipped > 0) == (clip == 0.001)
    assert sent.any()
    assert np.abs(sent + together(residuals) - computed).max() < 1e-4 * np.abs(computed).max()


def test_without_its_residual_a_site_loses_most_of_what_a_pattern_leaves_out() -> None:
    """The control of the law above: it is the memory that makes it hold."""
    sent, computed = np.zeros(DIMENSION), np.zeros(DIMENSION)
    for number in range(40):
        spec = spec_of(number, bits=16, share=0.25)
        made = compress(delta_of(0, number), np.zeros(DIMENSION, np.float32), weight=690, spec=spec)
        sent += mean_delta(made.body, weight_sum=690, spec=spec)
        computed += delta_of(0, number)
    assert np.abs(sent - computed).max() > 0.5 * np.abs(computed).max()


def test_far_below_a_level_the_sum_of_what_was_sent_follows_the_deltas_without_bias() -> None:
    """A fortieth of a level in each of 60 rounds: never a level off, and right on average from the first round on."""
    spec = spec_of(0, bits=16, share=1.0)
    level = spec.clip / spec.levels * spec.weight_cap / 690
    delta = np.full(DIMENSION, level / 40, np.float32)
    residual = first_residual(weight=690, spec=spec, rounding_key=bytes(32))
    sent = np.zeros(DIMENSION)
    for number in range(1, 61):
        made = compress(delta, residual, weight=690, spec=spec)
        sent += made.body.view("<i2")
        residual = made.residual
        due = number / 40
        assert np.abs(sent - due).max() < 1 + 1e-3
        assert sent.mean() == pytest.approx(due, abs=5 * 0.5 / DIMENSION**0.5)


@pytest.mark.parametrize(("bits", "share"), RINGS)
def test_off_the_pattern_the_input_is_kept_and_on_it_the_rounding(bits: int, share: float) -> None:
    spec = spec_of(1, bits=bits, share=share)
    before = delta_of(7, 7)
    made = compress(delta_of(1, 1), before, weight=690, spec=spec)
    pattern = pattern_of(spec)
    carried = np.arange(DIMENSION) if pattern is None else pattern
    off = np.setdiff1d(np.arange(DIMENSION), carried)
    total = delta_of(1, 1) + before
    assert np.array_equal(made.residual[off], total[off])
    step = spec.clip / spec.levels * spec.weight_cap / 690
    assert np.abs(made.residual[carried]).max() <= step / 2 * (1 + 1e-3) + 1e-7 * np.abs(total).max()


def test_the_same_round_again_gives_the_same_bits_and_leaves_its_inputs_alone() -> None:
    spec = spec_of(3, bits=16, share=0.25)
    delta, residual = delta_of(0, 3), delta_of(0, 2)
    first = compress(delta, residual, weight=300, spec=spec)
    again = compress(delta, residual, weight=300, spec=spec)
    assert first.body.tobytes() == again.body.tobytes()
    assert first.residual.tobytes() == again.residual.tobytes()
    assert np.array_equal(delta, delta_of(0, 3))
    assert np.array_equal(residual, delta_of(0, 2))


def test_a_site_without_rows_sends_nothing_and_keeps_everything() -> None:
    made = compress(delta_of(0, 1), delta_of(0, 0), weight=0, spec=spec_of(1, bits=16, share=0.25))
    assert not made.body.any()
    assert np.array_equal(made.residual, delta_of(0, 1) + delta_of(0, 0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("on_the_pattern", [True, False])
def test_what_is_not_finite_is_refused_wherever_it_stands(value: float, on_the_pattern: bool) -> None:
    """Off the pattern it would lie in wait in the residual. 3e38 overflows with the residual alone."""
    spec = spec_of(1, bits=32, share=0.25)
    pattern = pattern_of(spec)
    assert pattern is not None
    place = pattern[0] if on_the_pattern else np.setdiff1d(np.arange(DIMENSION), pattern)[0]
    delta, residual = delta_of(0, 1), np.full(DIMENSION, 1e38, np.float32)
    delta[place] = value
    with pytest.raises(NonFiniteUpdate):
        compress(delta, residual, weight=1, spec=spec)


@pytest.mark.parametrize(("delta", "residual", "part"), [(699, 700, "delta"), (700, 701, "residual")])
def test_vectors_of_another_length_are_refused(delta: int, residual: int, part: str) -> None:
    with pytest.raises(WrongVector) as caught:
        compress(
            np.zeros(delta, np.float32),
            np.zeros(residual, np.float32),
            weight=1,
            spec=spec_of(1, bits=16, share=0.25),
        )
    assert caught.value.data["part"] == part


def test_a_weight_above_the_cap_is_refused() -> None:
    with pytest.raises(BadWeight):
        compress(delta_of(0, 1), delta_of(0, 0), weight=1001, spec=spec_of(1, bits=16, share=1.0))


@pytest.mark.parametrize("weight", [1, 690])
def test_a_tune_begins_within_half_a_level_evenly(weight: int) -> None:
    spec = spec_of(1, bits=16, share=0.25)
    start = first_residual(weight=weight, spec=spec, rounding_key=key_of(1, 1))
    share = np.sort(start / (spec.clip / spec.levels * spec.weight_cap / weight)) + 0.5
    assert share.min() >= 0
    assert share.max() <= 1
    assert np.abs(share - (np.arange(DIMENSION) + 0.5) / DIMENSION).max() < 2 / DIMENSION**0.5, "Kolmogorov-Smirnov"
    assert not np.array_equal(start, first_residual(weight=weight, spec=spec, rounding_key=key_of(2, 1)))


def test_a_site_without_rows_begins_with_nothing() -> None:
    assert not first_residual(weight=0, spec=spec_of(1, bits=16, share=0.25), rounding_key=bytes(32)).any()


def test_the_sum_is_read_as_before_where_every_parameter_has_a_lane() -> None:
    spec = spec_of(1, bits=32, share=1.0)
    body, _ = quantize(delta_of(1, 1), weight=300, spec=spec, rounding_key=key_of(1, 1))
    plain = dequantize_sum(body, clip=spec.clip, levels=spec.levels, weight_cap=1000, weight_sum=300)
    assert mean_delta(body, weight_sum=300, spec=spec).tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    ("protection", "dimension", "in_force"),
    [
        (Protection(), 1000, False),
        (Protection(ring_bits=16), 1000, True),
        (Protection(random_k=0.5), 1000, True),
        (Protection(random_k=0.5), 1, False),
        (Protection(ring_bits=16, random_k=0.1), 1000, True),
    ],
    ids=str,
)
def test_it_is_in_force_where_an_update_loses_something(protection: Protection, dimension: int, in_force: bool) -> None:
    assert feedback_in_force(protection, dimension) is in_force
