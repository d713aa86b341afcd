"""Counters of a language model, and the figures derived from their sum.

A row is one sequence of tokens; each token but the first is predicted from those before it. Rows, not tokens, are taken
as independent: the errors follow by the delta method from the products of a row's sums, so a text of which every token
is hard counts as one finding and not as hundreds.
"""

from __future__ import annotations

from math import exp, log

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.row_moments import Moments, count_moments, moment_fields
from autoglm_workloads.site_figures import count_site, site_fields, site_scores
from autoglm_workloads.text.tag_decoding import LOSS_CEILING

METRICS = ("loss", "perplexity", "bits_per_token", "token_accuracy", "mean_site_loss", "loss_spread")
LOSS, TOKENS, HITS = np.eye(3)

Floats = NDArray[np.float64]


def layout() -> CounterLayout:
    """Counters of one evaluated language model."""
    return CounterLayout((CounterField("rows"), *moment_fields("token_rows", 3), *site_fields("loss")))


def row_sums(logits: NDArray[np.float32], ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> Floats:
    """Loss in nats, predicted tokens and right guesses of each row, `(rows, 3)`.

    `logits` `(rows, positions, vocabulary)` against `ids` `(rows, positions)`, of which the first `lengths` `(rows,)`
    are text. A token's loss is at most 64 nats; a position without a finite logit guesses token 0, lost.
    """
    sums = np.zeros((len(ids), 3))
    for row, length in enumerate(lengths):
        # One row at a time: the logits of a batch of GLM-4 are gigabytes, and this copies them.
        sums[row] = _sums(logits[row, : max(length - 1, 0)], ids[row, 1:length])
    return sums


def _sums(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> tuple[float, float, float]:
    finite = np.maximum(np.nan_to_num(logits, nan=-1e30, posinf=1e30, neginf=-1e30), np.float32(-1e30))
    largest = finite.max(axis=1, initial=np.float32(-1e30))
    given = finite[np.arange(targets.size), targets] - largest
    losses = np.log(np.exp(finite - largest[:, None]).sum(axis=1, dtype=np.float64)) - given
    hits = (finite.argmax(axis=1) == targets).sum()
    return float(np.minimum(losses, LOSS_CEILING).sum()), float(targets.size), float(hits)


def count(rows: Floats) -> Counters:
    """Counters of a site's `row_sums`; rows of fewer than two tokens predict nothing and are left out."""
    rows = rows[rows[:, 1] > 0]
    loss, tokens, _ = rows.sum(axis=0)
    return {
        "rows": np.array(float(len(rows))),
        **count_moments("token_rows", rows),
        **count_site("loss", loss / tokens if tokens else None),
    }


def score(counters: Counters, split: Split) -> dict[str, Measurement]:
    """Metrics from summed counters: `loss` in nats per token, perplexity its exponential, bits per token.

    Raises:
        NothingCounted: no row was counted.
    """
    rows = float(counters["rows"])
    if rows <= 0:
        raise NothingCounted(split=str(split))
    moments = Moments.read("token_rows", counters, rows)
    loss_sum, tokens, hits = (float(total) for total in moments.sums)
    loss, error = loss_sum / tokens, moments.ratio_error(LOSS, TOKENS)
    guessed = moments.joined(np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
    values = {
        "loss": (loss, error),
        "perplexity": (exp(loss), exp(loss) * error),
        "bits_per_token": (loss / log(2), error / log(2)),
        "token_accuracy": (hits / tokens, guessed.ratio_error(HITS, TOKENS)),
        **site_scores("loss", counters),
    }
    return {
        name: Measurement(mean, error, round(rows), Provenance.SECURE_SUM, split)
        for name, (mean, error) in values.items()
    }
