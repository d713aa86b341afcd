"""Counters of a classifier, and the rates derived from their sum.

A site counts; nobody averages averages. Per-site accuracy enters as its sum and the sum of its square, which is enough
for its mean and spread over sites and names no site. AUROC comes from a histogram of the scores, as exact ranks cannot
be summed: rows of one bin count as ties. The bins are even in log-odds, where rare classes and sure models keep their
order.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.site_figures import FRACTION, count_site, site_fields, site_scores

BINS = 256
SURE = 16.0
"""Log-odds beyond which scores count as equal."""
LOSS_CEILING = 64.0
"""A row's loss counts for at most this many nats: a diverged model must be seen to lose, not overflow the ring."""
METRICS = ("accuracy", "balanced_accuracy", "loss", "mean_site_accuracy", "accuracy_spread")
BINARY_METRICS = (*METRICS, "auroc")

Floats = NDArray[np.float64]


def evaluation_layout(classes: int) -> CounterLayout:
    """Counters of one evaluated model; `confusion[i, j]`: rows of class i that were called j."""
    fields = [
        CounterField("rows"),
        CounterField("confusion", (classes, classes)),
        CounterField("loss_sum", (), FRACTION),
        CounterField("loss_squared_sum", (), FRACTION),
        *site_fields("accuracy"),
    ]
    if classes == 2:
        fields.append(CounterField("score_histogram", (2, BINS)))
    return CounterLayout(tuple(fields))


def count(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Counters:
    """Counters of `logits` `(rows, classes)` against `labels` `(rows,)`.

    A row without a finite logit counts as class 0, lost.
    """
    classes = logits.shape[1]
    finite = np.nan_to_num(logits.astype(np.float64), nan=-np.inf, posinf=1e30, neginf=-1e30)
    finite = np.maximum(finite, -1e30)
    log_probabilities = _log_softmax(finite)
    losses = np.minimum(-log_probabilities[np.arange(labels.size), labels], LOSS_CEILING)
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (labels, finite.argmax(axis=1)), 1.0)
    rows = float(labels.size)
    accuracy = float(np.trace(confusion)) / rows if rows else None
    counters = {
        "rows": np.array(rows),
        "confusion": confusion,
        "loss_sum": np.array(losses.sum()),
        "loss_squared_sum": np.array((losses**2).sum()),
        **count_site("accuracy", accuracy),
    }
    if classes == 2:
        counters["score_histogram"] = _score_histogram(log_probabilities[:, 1] - log_probabilities[:, 0], labels)
    return counters


def score(counters: Counters, split: Split) -> dict[str, Measurement]:
    """Metrics from summed evaluation counters.

    Accuracy has the binomial standard error, with one success and one failure added so that a perfect score does not
    claim to be certain; balanced accuracy the one of independent recalls; AUROC that of Hanley and McNeil (1982).

    Raises:
        NothingCounted: no row was counted.
    """
    confusion = np.asarray(counters["confusion"])
    rows = float(confusion.sum())
    if rows <= 0:
        raise NothingCounted(split=str(split))
    values = {
        "accuracy": (float(np.trace(confusion)) / rows, _binomial_error(float(np.trace(confusion)), rows)),
        "balanced_accuracy": _balanced(confusion),
        "loss": _mean(float(counters["loss_sum"]), float(counters["loss_squared_sum"]), rows),
        **site_scores("accuracy", counters),
    }
    if "score_histogram" in counters:
        values["auroc"] = _auroc(np.asarray(counters["score_histogram"]))
    return {
        name: Measurement(mean, error, round(rows), Provenance.SECURE_SUM, split)
        for name, (mean, error) in values.items()
    }


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True, initial=-1e30)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _score_histogram(odds: Floats, labels: NDArray[np.int64]) -> Floats:
    """`(2, BINS)`: rows of each class by the log-odds `(rows,)` of class 1."""
    histogram = np.zeros((2, BINS))
    places = (np.clip(odds, -SURE, SURE) + SURE) * (BINS / (2 * SURE))
    np.add.at(histogram, (labels, np.minimum(places.astype(np.int64), BINS - 1)), 1.0)
    return histogram


def _binomial_error(hits: float, rows: float) -> float:
    rate = (hits + 1) / (rows + 2)
    return sqrt(rate * (1 - rate) / rows)


def _balanced(confusion: Floats) -> tuple[float, float]:
    rows, hits = confusion.sum(axis=1), np.diag(confusion)
    present = rows > 0
    recalls = hits[present] / rows[present]
    errors = [_binomial_error(float(hit), float(row)) for hit, row in zip(hits[present], rows[present], strict=True)]
    return float(recalls.mean()), sqrt(sum(error**2 for error in errors)) / recalls.size


def _mean(total: float, squares: float, rows: float) -> tuple[float, float]:
    mean = total / rows
    return mean, sqrt(max(squares / rows - mean**2, 0.0) / rows)


def _auroc(histogram: Floats) -> tuple[float, float]:
    """Of `(2, bins)`; 0.5 where one class is absent."""
    negatives, positives = histogram
    n, p = float(negatives.sum()), float(positives.sum())
    if n == 0 or p == 0:
        return 0.5, 0.5
    below = np.cumsum(negatives) - negatives
    area = float((positives * (below + negatives / 2)).sum()) / (n * p)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (p - 1) * (first - area**2) + (n - 1) * (second - area**2)) / (n * p)
    return area, sqrt(max(variance, 0.0))
