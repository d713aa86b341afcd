"""Which rows come when, and at which learning rate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from autoglm_workloads.seeding import generator
from autoglm_workloads.text.training.batches import batches
from autoglm_workloads.text.training.schedules import PLATEAU_PATIENCE, Plateau, rate_factor

LENGTHS = np.random.default_rng(1).integers(1, 60, 1003)


def drawn(seed: bytes = b"a", size: int = 8) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return batches(LENGTHS, size, generator(seed, "batches"))


def test_every_row_comes_once_and_one_batch_may_be_short() -> None:
    found = drawn()
    assert sorted(np.concatenate(found)) == list(range(1003))
    assert sorted({part.size for part in found}) == [3, 8]


def test_grouping_by_length_leaves_a_fifth_of_the_padding() -> None:
    stream = np.random.default_rng(0)
    shuffled = np.split(stream.permutation(1003), range(8, 1003, 8))

    def padding(parts: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> int:
        return sum(int(LENGTHS[part].max() * part.size - LENGTHS[part].sum()) for part in parts)

    assert padding(drawn()) < 0.2 * padding(shuffled)


def test_batches_depend_on_the_seed_and_differ_between_epochs() -> None:
    stream = generator(b"a", "batches")
    first, second = batches(LENGTHS, 8, stream), batches(LENGTHS, 8, stream)
    assert [part.tolist() for part in first] == [part.tolist() for part in drawn()]
    assert first[0].tolist() != second[0].tolist() != drawn(b"b")[0].tolist()


def test_lengths_do_not_rise_or_fall_through_an_epoch() -> None:
    means = np.array([LENGTHS[part].mean() for part in drawn()])
    assert abs(np.corrcoef(means, np.arange(means.size))[0, 1]) < 0.3


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "step", "plateau"])
def test_warm_up_rises_in_a_line_and_nothing_rises_after_it(schedule: str) -> None:
    places = np.linspace(0.001, 0.999, 500)
    factors = [rate_factor(schedule, warmup=0.1, progress=place) for place in places]
    assert rate_factor(schedule, warmup=0.1, progress=0.05) == pytest.approx(0.5)
    assert rate_factor(schedule, warmup=0.1, progress=0.1) == pytest.approx(1.0)
    assert all(first >= second for first, second in pairwise(factors[50:]))
    assert all(factor > 0 for factor in factors)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", (1, 1, 1)),
        ("linear", (0.75, 0.5, 0.1)),
        ("cosine", (0.8536, 0.5, 0.0245)),
        ("step", (1, 0.1, 0.01)),
    ],
)
def test_schedules_have_the_shape_of_their_name(schedule: str, expected: tuple[float, ...]) -> None:
    found = [rate_factor(schedule, warmup=0.0, progress=place) for place in (0.25, 0.5, 0.9)]
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_plateau_halves_the_rate_and_a_falling_loss_does_not() -> None:
    falling, flat = Plateau(), Plateau()
    for step in range(2 * PLATEAU_PATIENCE + 1):
        falling.observe(0.9**step)
        flat.observe(1.0 + 0.001 * (step % 2))
    assert falling.factor == 1.0
    assert flat.factor == 0.25
