"""Counters of answers against references, and the metrics derived from their sum.

Exact match and token F1 are SQuAD's (Rajpurkar et al. 2016), ROUGE-L is Lin's (2004) F1, BLEU-4 that of Papineni et al.
(2002) over all answers together, chrF that of Popovic (2015). `words` says how texts are taken apart. With several
references the best counts: for BLEU each run of words, for the others the whole reference. All lie between 0 and 1.

BLEU and chrF are no means over rows but functions of sums, so that they are exact over sites: as if all answers lay in
one place. Their errors follow by the delta method from the products of a row's counts, for independent rows. That is an
approximation: BLEU is far from linear where hardly any run of four words matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.row_moments import Moments, count_moments, moment_fields
from autoglm_workloads.site_figures import count_site, site_fields, site_scores
from autoglm_workloads.text.generation.overlap import (
    LETTER_ORDERS,
    RECALL_WEIGHT,
    WORD_ORDERS,
    bag_f1,
    letter_counts,
    sequence_f1,
    word_counts,
)
from autoglm_workloads.text.generation.words import answer_words, marked_words, plain_words

MEANS = ("exact_match", "token_f1", "rouge_l")
"""Metrics that are means over rows."""
METRICS = (*MEANS, "bleu", "chrf", "mean_site_token_f1", "token_f1_spread")
WORD_COUNTS = 2 * WORD_ORDERS + 1
LETTER_COUNTS = 3 * LETTER_ORDERS

Floats = NDArray[np.float64]


def layout() -> CounterLayout:
    """Counters of one model's answers."""
    moments = (
        *moment_fields("answer_rows", len(MEANS)),
        *moment_fields("word_runs", WORD_COUNTS),
        *moment_fields("letter_runs", LETTER_COUNTS),
    )
    return CounterLayout((CounterField("rows"), *moments, *site_fields("token_f1")))


def count(answers: Sequence[str], references: Sequence[Sequence[str]]) -> Counters:
    """Counters of `answers` against the `references` of each, of which there is at least one."""
    means = np.array([_means(*pair) for pair in zip(answers, references, strict=True)]).reshape(-1, len(MEANS))
    words = [
        word_counts(marked_words(answer), [marked_words(reference) for reference in several])
        for answer, several in zip(answers, references, strict=True)
    ]
    letters = [
        max((letter_counts(answer, reference) for reference in several), key=lambda counts: chrf(np.array(counts)))
        for answer, several in zip(answers, references, strict=True)
    ]
    return {
        "rows": np.array(float(len(answers))),
        **count_moments("answer_rows", means),
        **count_moments("word_runs", np.array(words, np.float64).reshape(-1, WORD_COUNTS)),
        **count_moments("letter_runs", np.array(letters, np.float64).reshape(-1, LETTER_COUNTS)),
        **count_site("token_f1", float(means[:, 1].mean()) if len(means) else None),
    }


def score(counters: Counters, split: Split) -> dict[str, Measurement]:
    """Metrics from summed counters.

    Before an error is taken, one perfect and one wholly wrong answer of four words are added, so that a perfect score
    does not claim to be certain.

    Raises:
        NothingCounted: no row was counted.
    """
    rows = float(counters["rows"])
    if rows <= 0:
        raise NothingCounted(split=str(split))
    means = Moments.read("answer_rows", counters, rows)
    smoothed = means.joined(np.array([np.ones(len(MEANS)), np.zeros(len(MEANS))]))
    values = {name: (float(means.sums[place]) / rows, smoothed.mean_error(place)) for place, name in enumerate(MEANS)}
    words = Moments.read("word_runs", counters, rows)
    values["bleu"] = (bleu(words.sums), _error_of_bleu(words.joined(_invented(WORD_ORDERS, "word"))))
    letters = Moments.read("letter_runs", counters, rows)
    values["chrf"] = (chrf(letters.sums), _error_of_chrf(letters.joined(_invented(LETTER_ORDERS, "letter"))))
    values |= site_scores("token_f1", counters)
    return {
        name: Measurement(mean, error, round(rows), Provenance.SECURE_SUM, split)
        for name, (mean, error) in values.items()
    }


def bleu(sums: Floats) -> float:
    """From summed `word_counts` `(9,)`.

    An order of which no run matches counts as half a match, the next such one as a quarter and so on (NIST's smoothing
    in mteval-v13a, the default of sacrebleu): a search needs to tell poor answers from hopeless ones.
    """
    matches, totals, length = sums[:WORD_ORDERS], sums[WORD_ORDERS:-1], float(sums[-1])
    if not matches.any() or not totals.all():
        return 0.0
    filled, missing = matches.copy(), matches == 0
    filled[missing] = 0.5 ** np.arange(1, missing.sum() + 1)
    brevity = min(0.0, 1 - length / float(totals[0]))
    return exp(brevity + float(np.log(filled / totals).mean()))


def chrf(sums: Floats) -> float:
    """From summed `letter_counts` `(18,)`: F of the mean precision and the mean recall over the orders that occur."""
    common, given, wanted = sums.reshape(3, LETTER_ORDERS)
    occurs = (given > 0) & (wanted > 0)
    if not common.any():
        return 0.0
    precision, recall = (common[occurs] / given[occurs]).mean(), (common[occurs] / wanted[occurs]).mean()
    weight = RECALL_WEIGHT**2
    return float((1 + weight) * precision * recall / (weight * precision + recall))


def _means(answer: str, references: Sequence[str]) -> tuple[float, float, float]:
    short, plain = answer_words(answer), plain_words(answer)
    wanted = [answer_words(reference) for reference in references]
    return (
        float(short in wanted),
        max(bag_f1(short, reference) for reference in wanted),
        max(sequence_f1(plain, plain_words(reference)) for reference in references),
    )


def _error_of_bleu(moments: Moments) -> float:
    """By the gradient of BLEU's logarithm, where every order has a match."""
    matches, totals, length = moments.sums[:WORD_ORDERS], moments.sums[WORD_ORDERS:-1], float(moments.sums[-1])
    gradient = np.concatenate([1 / matches, -1 / totals, [0.0]]) / WORD_ORDERS
    given = float(totals[0])
    if given < length:
        gradient[WORD_ORDERS] += length / given**2
        gradient[-1] -= 1 / given
    return moments.error(gradient * bleu(moments.sums))


def _error_of_chrf(moments: Moments) -> float:
    """By the gradient of F with respect to mean precision and mean recall, where every order occurs."""
    common, given, wanted = moments.sums.reshape(3, LETTER_ORDERS)
    precision, recall, weight = (common / given).mean(), (common / wanted).mean(), RECALL_WEIGHT**2
    scale = (1 + weight) / (weight * precision + recall) ** 2 / LETTER_ORDERS
    by_precision, by_recall = scale * recall**2, scale * weight * precision**2
    by_common = by_precision / given + by_recall / wanted
    by_lengths = -by_precision * common / given**2, -by_recall * common / wanted**2
    return moments.error(np.concatenate([by_common, *by_lengths]))


def _invented(orders: int, kind: str) -> Floats:
    """Two answers as long as their references, `orders` words or letters: one that equals it, one all unlike it."""
    runs = np.arange(orders, 0, -1.0)
    lengths = [*runs, orders] if kind == "word" else [*runs, *runs]
    return np.array([[*runs, *lengths], [*np.zeros(orders), *lengths]])
