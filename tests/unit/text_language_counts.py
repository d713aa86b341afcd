"""Perplexity and its relatives from sums over rows and sites."""

from __future__ import annotations

import numpy as np
import pytest

from autoglm_core.measurement import Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.text.language_counts import METRICS, count, layout, row_sums, score
from support.workload_cases import summed


def batch(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    logits = stream.normal(size=(rows, 10, 6)).astype(np.float32)
    return logits, stream.integers(0, 6, (rows, 10)), stream.integers(2, 11, rows)


def test_three_sites_score_like_one_text() -> None:
    batches = [batch(rows, seed) for seed, rows in enumerate((20, 7, 40))]
    scores = score(summed(layout(), [count(row_sums(*site)) for site in batches]), Split.TEST)
    losses, hits = [], []
    for logits, ids, lengths in batches:
        shifted = logits.astype(np.float64) - np.log(np.exp(logits.astype(np.float64)).sum(-1, keepdims=True))
        for row, length in enumerate(lengths):
            for place in range(1, length):
                losses.append(-shifted[row, place - 1, ids[row, place]])
                hits.append(shifted[row, place - 1].argmax() == ids[row, place])
    assert scores["loss"].mean == pytest.approx(np.mean(losses), rel=1e-6)
    assert scores["perplexity"].mean == pytest.approx(np.exp(np.mean(losses)), rel=1e-6)
    assert scores["bits_per_token"].mean == pytest.approx(np.mean(losses) / np.log(2), rel=1e-6)
    assert scores["token_accuracy"].mean == pytest.approx(np.mean(hits))
    assert scores["loss"].count == 67
    assert set(scores) == set(METRICS)


def test_errors_are_about_those_of_resampled_rows() -> None:
    stream = np.random.default_rng(3)
    tokens = stream.integers(5, 40, 400)
    rows = np.stack([tokens * stream.gamma(4, 0.5, 400), tokens, stream.binomial(tokens, 0.3)], axis=1).astype(float)
    scores = score(count(rows), Split.TEST)
    drawn = rows[stream.integers(0, 400, (500, 400))].sum(axis=1)
    losses = drawn[:, 0] / drawn[:, 1]
    assert scores["loss"].standard_error == pytest.approx(losses.std(), rel=0.12)
    assert scores["perplexity"].standard_error == pytest.approx(np.exp(losses).std(), rel=0.15)
    assert scores["token_accuracy"].standard_error == pytest.approx((drawn[:, 2] / drawn[:, 1]).std(), rel=0.15)


def test_a_diverged_model_and_long_rows_fit_into_the_ring() -> None:
    rows = np.tile([[64.0 * 4096, 4096.0, 0.0]], (2000, 1))
    scores = score(summed(layout(), [count(rows)] * 3), Split.TEST)
    assert scores["loss"].mean == 64
    assert np.isfinite(scores["perplexity"].mean)
    logits = np.full((1, 4, 5), np.nan, np.float32)
    assert row_sums(logits, np.ones((1, 4), np.int64), np.array([4])).tolist() == [[pytest.approx(3 * np.log(5)), 3, 0]]


def test_rows_that_predict_nothing_are_left_out() -> None:
    logits, ids, _ = batch(3, 0)
    sums = row_sums(logits, ids, np.array([0, 1, 2]))
    assert count(sums)["rows"] == 1
    with pytest.raises(NothingCounted, match="test"):
        score(count(sums[:2]), Split.TEST)
