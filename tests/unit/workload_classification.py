"""Rates from summed counters equal the rates of all rows together."""

from __future__ import annotations

import numpy as np
import pytest

from autoglm_core.measurement import Split
from autoglm_workloads.classification import count, evaluation_layout, score
from autoglm_workloads.errors import NothingCounted
from support.workload_cases import summed


def logits(rows: int, classes: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(rows, classes)).astype(np.float32)


def test_three_sites_score_like_one() -> None:
    values, labels = logits(90, 3), np.random.default_rng(1).integers(0, 3, 90)
    parts = [count(values[rows], labels[rows]) for rows in np.split(np.arange(90), [20, 50])]
    scores = score(summed(evaluation_layout(3), parts), Split.TEST)
    hits = values.argmax(1) == labels
    recalls = [hits[labels == label].mean() for label in range(3)]
    assert scores["accuracy"].mean == pytest.approx(hits.mean())
    assert scores["accuracy"].count == 90
    assert scores["balanced_accuracy"].mean == pytest.approx(np.mean(recalls))
    sites = [hits[rows].mean() for rows in np.split(np.arange(90), [20, 50])]
    assert scores["mean_site_accuracy"].mean == pytest.approx(np.mean(sites), abs=1e-6)
    assert scores["mean_site_accuracy"].standard_error == pytest.approx(np.std(sites, ddof=1) / 3**0.5, abs=1e-6)
    assert scores["accuracy_spread"].mean == pytest.approx(np.std(sites), abs=1e-6)
    assert "auroc" not in scores


@pytest.mark.parametrize(
    ("rows", "positive", "sure", "prior"),
    [(400, 0.5, 1, 0), (2000, 0.5, 4, 0), (4000, 0.02, 1, -4), (8000, 0.005, 2, -6)],
)
def test_auroc_is_close_to_that_of_exact_ranks(rows: int, positive: float, sure: float, prior: float) -> None:
    labels = (np.random.default_rng(2).random(rows) < positive).astype(np.int64)
    values = logits(rows, 2) * sure
    values[:, 1] += labels * sure + prior
    scores = values[:, 1] - values[:, 0]
    exact = (scores[labels == 1][:, None] > scores[labels == 0][None]).mean()
    auroc = score(count(values, labels), Split.VALIDATION)["auroc"]
    assert auroc.mean == pytest.approx(exact, abs=0.005)
    assert 0.004 < auroc.standard_error < 0.06


def test_a_perfect_score_is_not_certain() -> None:
    values = np.array([[9, -9], [-9, 9]], np.float32)
    accuracy = score(count(values, np.array([0, 1])), Split.TEST)["accuracy"]
    assert accuracy.mean == 1
    assert accuracy.standard_error > 0.2


def test_a_model_that_answers_nothing_loses_but_is_counted() -> None:
    values = np.full((4, 2), np.nan, np.float32)
    values[0] = [np.inf, -np.inf]
    counters = count(values, np.array([1, 1, 1, 0]))
    evaluation_layout(2).encode(counters)
    scores = score(counters, Split.TEST)
    assert scores["accuracy"].mean == 0.25
    assert 0 < scores["loss"].mean <= 64


def test_a_site_without_rows_changes_nothing() -> None:
    full, empty = count(logits(8, 3), np.zeros(8, np.int64)), count(logits(0, 3), np.zeros(0, np.int64))
    together = summed(evaluation_layout(3), [full, empty])
    assert score(together, Split.TEST)["accuracy_spread"].mean == pytest.approx(0, abs=1e-4)
    assert together["sites"] == 1


def test_no_rows_at_all_is_an_error_that_names_the_split() -> None:
    with pytest.raises(NothingCounted, match="validation") as caught:
        score(count(logits(0, 3), np.zeros(0, np.int64)), Split.VALIDATION)
    assert caught.value.data == {"split": "validation"}
