"""Splits over simulated sites."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm.errors import SplitImpossible, UnknownDataset
from autoglm.sharding import SMALLEST_SITE, dirichlet_split, load_bundled, take

LABELS = np.repeat(np.arange(10), 100)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(sites=st.integers(1, 6), alpha=st.floats(0.3, 10.0), seed=st.integers(0, 2**32 - 1))
def test_every_row_goes_to_exactly_one_site_and_no_site_is_too_small(sites: int, alpha: float, seed: int) -> None:
    shards = dirichlet_split(LABELS, sites=sites, alpha=alpha, seed=seed)
    assert np.array_equal(np.sort(np.concatenate(shards)), np.arange(LABELS.size))
    assert min(shard.size for shard in shards) >= SMALLEST_SITE


def test_the_seed_decides_the_split() -> None:
    first, again, other = (dirichlet_split(LABELS, sites=4, alpha=0.5, seed=seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_small_alpha_skews_the_labels_and_a_large_one_does_not() -> None:
    def largest_share(alpha: float) -> float:
        shards = dirichlet_split(LABELS, sites=4, alpha=alpha, seed=7)
        return float(np.mean([np.bincount(LABELS[shard], minlength=10).max() / shard.size for shard in shards]))

    assert largest_share(0.3) > largest_share(100.0) + 0.05
    assert largest_share(100.0) < 0.15


def test_an_impossible_split_is_refused() -> None:
    with pytest.raises(SplitImpossible, match=r"simulate\.sites\.count"):
        dirichlet_split(LABELS[:50], sites=4, alpha=0.5, seed=7)


def test_digits_are_bundled_and_can_be_taken_by_rows() -> None:
    digits = load_bundled("digits")
    part = take(digits, np.array([3, 5]))
    assert digits["images"].shape == (1797, 8, 8)
    assert part["labels"].tolist() == [3, 5]


def test_an_unknown_dataset_names_what_can_be_done() -> None:
    with pytest.raises(UnknownDataset, match="digits"):
        load_bundled("cifar")
