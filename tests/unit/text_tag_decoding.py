"""Decoding of a chain against trying every sequence."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from autoglm_workloads.text.tag_decoding import Transitions, allowed, best_tags, chain_loss, viterbi, word_losses
from autoglm_workloads.text.tags import strict_spans, tag_names


def chain(tags: int, seed: int) -> Transitions:
    stream = np.random.default_rng(seed)
    return Transitions(stream.normal(size=(tags, tags)), stream.normal(size=tags), stream.normal(size=tags))


def total(scores: np.ndarray, path: tuple[int, ...], transitions: Transitions) -> float:
    between = sum(transitions.between[left, right] for left, right in pairwise(path))
    own = sum(scores[word, tag] for word, tag in enumerate(path))
    return float(transitions.start[path[0]] + own + between + transitions.end[path[-1]])


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_and_loss_agree_with_all_sequences(seed: int) -> None:
    scores = np.random.default_rng(seed + 50).normal(size=(5, 3))
    transitions = chain(3, seed)
    totals = {path: total(scores, path, transitions) for path in product(range(3), repeat=5)}
    best = max(totals, key=lambda path: totals[path])
    assert tuple(viterbi(scores, transitions)) == best
    gold = (0, 2, 1, 1, 0)
    expected = np.log(sum(np.exp(value) for value in totals.values())) - totals[gold]
    assert chain_loss(scores, np.array(gold), transitions) == pytest.approx(expected)


@pytest.mark.parametrize("scheme", ["bio", "bioes", "bmes"])
def test_allowed_is_what_the_scheme_reads_without_complaint(scheme: str) -> None:
    tags = tag_names(scheme, ("x", "y"))
    transitions = allowed(tags, scheme)
    for path in product(range(len(tags)), repeat=3):
        legal = np.isfinite(total(np.zeros((3, len(tags))), path, transitions))
        try:
            strict_spans([tags[tag] for tag in path], scheme)
        except ValueError:
            assert not legal, [tags[tag] for tag in path]
        else:
            assert legal, [tags[tag] for tag in path]


@pytest.mark.parametrize("scheme", ["bio", "bioes", "bmes"])
def test_constrained_sequences_are_of_the_scheme(scheme: str) -> None:
    tags = tag_names(scheme, ("x", "y"))
    for seed in range(20):
        logits = np.random.default_rng(seed).normal(size=(7, len(tags))).astype(np.float32) * 4
        strict_spans([tags[tag] for tag in best_tags(logits, allowed(tags, scheme))], scheme)


def test_losses_of_words_are_cross_entropies_and_never_overflow() -> None:
    logits = np.array([[0, 0], [3, 1], [np.nan, np.nan], [-1e38, 1e38]], np.float32)
    losses = word_losses(logits, np.array([0, 0, 1, 0]))
    assert losses == pytest.approx([np.log(2), np.log1p(np.exp(-2)), np.log(2), 64])
    assert best_tags(np.zeros((0, 3), np.float32), chain(3, 0)).shape == (0,)
