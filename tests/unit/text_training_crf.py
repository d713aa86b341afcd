"""The linear chain against all of its paths, one by one."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from autoglm_workloads.text.tag_decoding import best_tags
from autoglm_workloads.text.tokens import LEFT_OUT
from autoglm_workloads.text.training.crf import Chain, chain_loss

TAGS = 3
DRAWS = torch.Generator().manual_seed(0)
CHAIN = Chain(*(torch.randn(shape, generator=DRAWS, dtype=torch.float64) for shape in ((TAGS, TAGS), (TAGS,), (TAGS,))))
LOGITS = torch.randn(4, 6, TAGS, generator=DRAWS)
LABELS = torch.tensor(
    [
        [0, 1, 2, 1, LEFT_OUT, LEFT_OUT],
        [LEFT_OUT, 2, LEFT_OUT, 2, 0, LEFT_OUT],  # the first token and the later pieces of a word
        [LEFT_OUT] * 6,
        [1, 1, 0, 2, 2, 0],
    ]
)


def path_score(scores: torch.Tensor, path: tuple[int, ...], chain: Chain = CHAIN) -> float:
    """Written as the definition."""
    total = float(chain.start[path[0]] + chain.end[path[-1]])
    total += sum(float(scores[place, tag]) for place, tag in enumerate(path))
    return total + sum(float(chain.between[first, second]) for first, second in pairwise(path))


def all_scores(row: int) -> dict[tuple[int, ...], float]:
    scores = LOGITS[row][LABELS[row] != LEFT_OUT]
    return {path: path_score(scores, path) for path in product(range(TAGS), repeat=len(scores))}


def test_the_likelihood_is_that_of_all_paths() -> None:
    expected = 0.0
    for row in (0, 1, 3):
        scores = all_scores(row)
        true = tuple(LABELS[row][LABELS[row] != LEFT_OUT].tolist())
        expected += float(np.logaddexp.reduce(list(scores.values()))) - scores[true]
    found = chain_loss(LOGITS, LABELS, CHAIN)
    assert found.units == 13
    assert float(found.total) == pytest.approx(expected, rel=1e-6)
    assert float(found.mean) == pytest.approx(expected / 13, rel=1e-6)


def test_viterbi_finds_the_best_of_all_paths() -> None:
    counted = LABELS != LEFT_OUT
    transitions = CHAIN.to_transitions()
    for row in (0, 1, 3):
        scores = all_scores(row)
        found = best_tags(LOGITS[row][counted[row]].double().numpy(), transitions)
        assert tuple(found.tolist()) == max(scores, key=scores.__getitem__)


def test_gradients_are_those_of_differences() -> None:
    parts = [part.clone().requires_grad_(True) for part in (CHAIN.between, CHAIN.start, CHAIN.end)]

    def loss(logits: torch.Tensor, *chain: torch.Tensor) -> torch.Tensor:
        return chain_loss(logits, LABELS, Chain(*chain)).mean

    assert torch.autograd.gradcheck(loss, (LOGITS.double().requires_grad_(True), *parts), atol=1e-3, eps=1e-3)


def test_training_a_chain_raises_the_true_path() -> None:
    parts = [torch.zeros(shape, requires_grad=True) for shape in ((TAGS, TAGS), (TAGS,), (TAGS,))]
    optimizer = torch.optim.SGD(parts, lr=4.0)
    flat, losses = torch.zeros(4, 6, TAGS), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = chain_loss(flat, LABELS, Chain(*parts)).mean
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(np.log(3), rel=1e-5)
    assert losses[-1] < 0.82 * losses[0]
    assert best_tags(flat[3].double().numpy(), Chain(*parts).to_transitions())[-1] == 0
