"""Counters of a tagger, and the entity figures derived from their sum.

A predicted entity is right where its type, first and last word are exactly those of the data; a sequence of tags that
the scheme does not allow makes no entity. That is `seqeval` in strict mode (Nakayama 2018), and the figures are equal
to its. A word has the tag of its first sub-token. Words that were cut off at `max_length` are predicted as outside, so
the entities in them count as missed: a shorter `max_length` cannot raise recall.

The errors of F1, precision and recall take rows as independent and follow by the delta method from the products of a
row's counts: entities of one sentence may fail together. The error of `macro_f1` takes types and entities as
independent, which is somewhat too small where types are confused with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.row_moments import Moments, count_moments, moment_fields
from autoglm_workloads.site_figures import count_site, site_fields, site_scores
from autoglm_workloads.text.tag_decoding import Transitions, allowed, best_tags, chain_loss, word_losses
from autoglm_workloads.text.tags import spans, tag_names

METRICS = (
    "f1", "precision", "recall", "macro_f1", "loss", "token_accuracy", "mean_site_f1", "f1_spread",
)  # fmt: skip
RIGHT, INVENTED, MISSED = np.eye(3)
"""True positives, false positives and false negatives among a row's three counts of entities."""
LOSS, WORDS, HITS = np.eye(3)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TaggedRow:
    """One sequence of words.

    `logits` `(kept, tags)` at each word's first sub-token; `gold` `(words,)` tags. Words beyond `kept` were cut off.
    """

    logits: NDArray[np.float32]
    gold: NDArray[np.int64]


def layout(entities: Sequence[str]) -> CounterLayout:
    """Counters of one evaluated tagger; `entities[i]`: right, invented and missed entities of type i."""
    return CounterLayout(
        (
            CounterField("rows"),
            CounterField("entities", (len(entities), 3)),
            *moment_fields("entity_rows", 3),
            *moment_fields("word_rows", 3),
            *site_fields("f1"),
        )
    )


def count(
    rows: Iterable[TaggedRow],
    *,
    scheme: str,
    entities: Sequence[str],
    crf: Transitions | None = None,
    constrained: bool = False,
) -> Counters:
    """Counters of `rows`, whose tags are numbers into `tag_names(scheme, entities)`.

    With the transitions of a trained `crf` the best sequence counts, and the loss is the sequence's; without, the best
    tag of each word and its cross-entropy. `constrained`: only sequences that the scheme allows come out.
    """
    tags = tag_names(scheme, entities)
    legal = allowed(tags, scheme) if constrained else None
    by_type, by_row, words = np.zeros((len(entities), 3)), [], []
    for row in rows:
        kept = len(row.logits)
        best = best_tags(row.logits, _chain(crf, legal, cut=kept < row.gold.size))
        found = _entity_counts([tags[tag] for tag in best], [tags[tag] for tag in row.gold], scheme, entities)
        by_type += found
        by_row.append(found.sum(axis=0))
        loss = _loss(row.logits, row.gold[:kept], crf)
        words.append([loss, kept, float((best == row.gold[:kept]).sum())])
    total = by_type.sum(axis=0)
    return {
        "rows": np.array(float(len(words))),
        "entities": by_type,
        **count_moments("entity_rows", np.array(by_row, np.float64).reshape(-1, 3)),
        **count_moments("word_rows", np.array(words, np.float64).reshape(-1, 3)),
        **count_site("f1", _f1(total) if total.any() else None),
    }


def word_count(counters: Counters) -> float:
    """Words that were not cut off, of summed counters."""
    return float(Moments.read("word_rows", counters, float(counters["rows"])).sums @ WORDS)


def score(counters: Counters, split: Split) -> dict[str, Measurement]:
    """Metrics from summed counters; F1 over all entities, `macro_f1` the mean over types that occur or were predicted.

    Before an error is taken, one row of a right, one of an invented and one of a missed entity are added, so that a
    perfect score does not claim to be certain. `loss` is per word that was not cut off, `token_accuracy` too.

    Raises:
        NothingCounted: no row was counted.
    """
    rows = float(counters["rows"])
    if rows <= 0:
        raise NothingCounted(split=str(split))
    entities = Moments.read("entity_rows", counters, rows)
    smoothed = entities.joined(np.eye(3))
    words = Moments.read("word_rows", counters, rows)
    either = 2 * RIGHT + INVENTED + MISSED
    values = {
        name: (_ratio(entities.sums, top, bottom), smoothed.ratio_error(top, bottom))
        for name, top, bottom in (
            ("f1", 2 * RIGHT, either),
            ("precision", RIGHT, RIGHT + INVENTED),
            ("recall", RIGHT, RIGHT + MISSED),
        )
    }
    values["macro_f1"] = _macro_f1(np.asarray(counters["entities"]))
    values["loss"] = (_ratio(words.sums, LOSS, WORDS), words.ratio_error(LOSS, WORDS))
    answered = words.joined(np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
    values["token_accuracy"] = (_ratio(words.sums, HITS, WORDS), answered.ratio_error(HITS, WORDS))
    values |= site_scores("f1", counters)
    return {
        name: Measurement(mean, error, round(rows), Provenance.SECURE_SUM, split)
        for name, (mean, error) in values.items()
    }


def _loss(logits: NDArray[np.float32], gold: NDArray[np.int64], chain: Transitions | None) -> float:
    if chain is None or not gold.size:
        return float(word_losses(logits, gold).sum())
    return chain_loss(logits, gold, chain)


def _chain(crf: Transitions | None, legal: Transitions | None, *, cut: bool) -> Transitions | None:
    """What a row is decoded with. An entity may go on behind the end of a row that was cut off."""
    if legal is None:
        return crf
    if cut:
        legal = replace(legal, end=np.zeros_like(legal.end))
    return legal if crf is None else crf + legal


def _entity_counts(predicted: Sequence[str], gold: Sequence[str], scheme: str, entities: Sequence[str]) -> Floats:
    """`(types, 3)`: right, invented and missed entities of one row."""
    counts = np.zeros((len(entities), 3))
    found, given = set(spans(predicted, scheme)), set(spans(gold, scheme))
    for place, kind in enumerate((found & given, found - given, given - found)):
        for span in kind:
            counts[entities.index(span.entity), place] += 1
    return counts


def _ratio(sums: Floats, numerator: Floats, denominator: Floats) -> float:
    divisor = float(denominator @ sums)
    return float(numerator @ sums) / divisor if divisor else 0.0


def _f1(counts: Floats) -> float:
    return _ratio(counts, 2 * RIGHT, 2 * RIGHT + INVENTED + MISSED)


def _macro_f1(by_type: Floats) -> tuple[float, float]:
    """With p the share of right ones among all that were found or given, F1 is 2p/(1+p) and p is binomial."""
    present = by_type[by_type.sum(axis=1) > 0]
    if not len(present):
        return 0.0, 0.5
    total = present.sum(axis=1)
    share = (present[:, 0] + 1) / (total + 2)
    errors = 2 / (1 + share) ** 2 * np.sqrt(share * (1 - share) / total)
    return float(np.mean([_f1(counts) for counts in present])), sqrt(float((errors**2).sum())) / len(present)
