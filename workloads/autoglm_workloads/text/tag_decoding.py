"""From the scores of tags to tags: the best of each word, or the best sequence of a linear chain.

A chain's transitions are those that a CRF learned (Lafferty et al. 2001), those that a tag scheme allows, or the sum of
both. Constraining the decoding alone mends sequences such as O, I-PER without any training; it never changes a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_core.text_target import TagScheme

Floats = NDArray[np.float64]
Logits = NDArray[np.float32] | Floats
Tags = NDArray[np.int64]

OPENS: Mapping[str, str] = {TagScheme.BIO: "BI", TagScheme.BIOES: "BI", TagScheme.BMES: "BM"}
"""Prefixes after which a span goes on: it may in BIO, it must in the others."""
CONTINUES: Mapping[str, str] = {TagScheme.BIO: "I", TagScheme.BIOES: "IE", TagScheme.BMES: "ME"}
"""Prefixes of a word that goes on with the span before it."""
LOSS_CEILING = 64.0
"""A word or token counts for at most this many nats: a diverged model must be seen to lose, not overflow a sum."""


@dataclass(frozen=True)
class Transitions:
    """Scores of a chain over C tags: `between` `(C, C)`, of tag i before tag j, `start` and `end` `(C,)`.

    Minus infinity forbids.
    """

    between: Floats
    start: Floats
    end: Floats

    def __add__(self, other: Transitions) -> Transitions:
        return Transitions(self.between + other.between, self.start + other.start, self.end + other.end)


def allowed(tags: Sequence[str], scheme: str) -> Transitions:
    """0 for what `scheme` lets follow each other among `tags`, minus infinity for the rest."""
    must = "" if scheme == TagScheme.BIO else OPENS[scheme]
    follows = np.array([[_follows(left, right, scheme, must) for right in tags] for left in tags], bool)
    starts = np.array([tag[0] not in CONTINUES[scheme] for tag in tags], bool)
    ends = np.array([tag[0] not in must for tag in tags], bool)
    return Transitions(*(np.where(fits, 0.0, -np.inf) for fits in (follows, starts, ends)))


def _follows(left: str, right: str, scheme: str, must: str) -> bool:
    if right[0] in CONTINUES[scheme]:
        return left[0] in OPENS[scheme] and left[1:] == right[1:]
    return left[0] not in must


def best_tags(logits: Logits, transitions: Transitions | None) -> Tags:
    """The tag of each word, `(words,)`, by `logits` `(words, tags)`: `viterbi`, or without transitions the largest."""
    scores = finite(logits)
    if transitions is None or not len(scores):
        return np.asarray(scores.argmax(axis=1), np.int64)
    return viterbi(scores, transitions)


def viterbi(scores: Floats, transitions: Transitions) -> Tags:
    """The best sequence `(words,)` for finite `scores` `(words, tags)`, words at least 1; of equals the smaller tag."""
    best = transitions.start + scores[0]
    origins = np.zeros(scores.shape, np.int64)
    for word in range(1, len(scores)):
        reached = best[:, None] + transitions.between
        origins[word] = reached.argmax(axis=0)
        best = reached.max(axis=0) + scores[word]
    path = np.zeros(len(scores), np.int64)
    path[-1] = (best + transitions.end).argmax()
    for word in range(len(scores) - 1, 0, -1):
        path[word - 1] = origins[word, path[word]]
    return path


def word_losses(logits: Logits, gold: Tags) -> Floats:
    """Cross-entropy of each word in nats, `(words,)`, at most `LOSS_CEILING`."""
    scores = _relative(logits)
    losses = _log_sum(scores) - scores[np.arange(gold.size), gold]
    return np.minimum(losses, LOSS_CEILING)


def chain_loss(logits: Logits, gold: Tags, transitions: Transitions) -> float:
    """Negative log likelihood of a sequence of at least one word, in nats; at most `LOSS_CEILING` a word."""
    scores = _relative(logits)
    reached = transitions.start + scores[0]
    for word in range(1, len(scores)):
        reached = _log_sum((reached[:, None] + transitions.between).T) + scores[word]
    path = transitions.start[gold[0]] + transitions.end[gold[-1]] + scores[np.arange(gold.size), gold].sum()
    path += transitions.between[gold[:-1], gold[1:]].sum()
    loss = float(_log_sum((reached + transitions.end)[None])[0] - path)
    return min(loss, LOSS_CEILING * gold.size)


def finite(logits: Logits) -> Floats:
    """As float64 without NaN and infinities; a row without a finite score is all alike."""
    values = np.nan_to_num(logits.astype(np.float64), nan=-np.inf, posinf=1e30, neginf=-np.inf)
    return np.maximum(values, -1e30)


def _relative(logits: Logits) -> Floats:
    """To the largest of each word, which changes no loss: beside 1e30 a logarithm would vanish."""
    scores = finite(logits)
    return np.asarray(scores - scores.max(axis=1, keepdims=True, initial=-1e30))


def _log_sum(scores: Floats) -> Floats:
    """Log of the sum of exponentials over the last axis."""
    largest = scores.max(axis=-1, keepdims=True)
    return np.asarray(largest[..., 0] + np.log(np.exp(scores - largest).sum(axis=-1)))
