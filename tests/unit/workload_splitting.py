"""A row stays in its split whatever happens around it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autoglm_core.study import SplitSpec
from autoglm_workloads.splitting import SplitRows, split_rows

SPEC = SplitSpec(seed=7)


def keys(count: int) -> list[bytes]:
    return [f"row {number}".encode() for number in range(count)]


def contents(rows: NDArray[np.int64], names: list[bytes]) -> set[bytes]:
    return {names[row] for row in rows}


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 2**31))
def test_every_row_is_in_exactly_one_split_and_shares_hold(labels: list[int], seed: int) -> None:
    array = np.array(labels, np.int64)
    split = split_rows(keys(len(labels)), array, SplitSpec(seed=seed))
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together) == list(range(len(labels)))
    for label in set(labels):
        members = int((array == label).sum())
        for part, share in ((split.train, 0.6), (split.validation, 0.2), (split.test, 0.2)):
            assert abs(int((array[part] == label).sum()) - share * members) < 1


def test_rows_keep_their_split_when_the_file_is_reordered() -> None:
    labels = np.arange(50, dtype=np.int64) % 2
    order = np.random.default_rng(1).permutation(50)
    names = keys(50)
    shuffled = [names[row] for row in order]
    first, second = split_rows(names, labels, SPEC), split_rows(shuffled, labels[order], SPEC)
    assert contents(first.test, names) == contents(second.test, shuffled)
    assert contents(first.train, names) == contents(second.train, shuffled)


def test_another_seed_is_another_split() -> None:
    labels = np.zeros(50, np.int64)
    assert split_rows(keys(50), labels, SPEC).test.tolist() != split_rows(keys(50), labels, SplitSpec(8)).test.tolist()


def published(names: list[str]) -> SplitRows:
    return split_rows(keys(len(names)), np.zeros(len(names), np.int64), SPEC, names)


def test_a_published_split_wins() -> None:
    split = published(["test", "train", "validation", "train"])
    assert (split.train.tolist(), split.validation.tolist(), split.test.tolist()) == ([1, 3], [2], [0])


def test_validation_rows_are_cut_from_train_where_none_were_published() -> None:
    split = published(["train"] * 40 + ["test"] * 20)
    assert split.test.tolist() == list(range(40, 60))
    assert (split.train.size, split.validation.size) == (30, 10)
