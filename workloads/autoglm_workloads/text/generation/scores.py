"""From a model's logits to the scores of the next token, one row of the vocabulary for each text.

The rules and their order are those of transformers' logits processors: the repetition penalty first, then temperature,
top-k and top-p. Computed in float64, so that a machine's float32 exponentials decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_workloads.text.generation.decoding import Decoding
from autoglm_workloads.text.tag_decoding import finite

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class CausalModel:
    """A language model without a cache, as an ONNX session or a framework's module behind a function.

    `logits`: ids `(batch, window)` int64 -> `(batch, window, vocabulary)`. It must be causal: what follows a position
    changes nothing there, so texts are padded behind. `ends`: the tokens that end a text; `pad` ends one as well.
    `starts`: the tokens in front of every prompt.
    """

    logits: Callable[[Ids], NDArray[np.float32]]
    window: int
    pad: int
    ends: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()

    @property
    def stops(self) -> frozenset[int]:
        """Tokens after which nothing is drawn."""
        return frozenset((*self.ends, self.pad))

    def next_logits(self, texts: Sequence[Ids]) -> Floats:
        """`(texts, vocabulary)`, finite: what follows each of `texts`, of 1 to `window` tokens."""
        ids = np.full((len(texts), self.window), self.pad, np.int64)
        for row, text in enumerate(texts):
            ids[row, : text.size] = text
        last = np.array([text.size - 1 for text in texts])
        return finite(self.logits(ids)[np.arange(len(texts)), last])


def penalised(scores: Floats, texts: Sequence[Ids], penalty: float) -> Floats:
    """`scores` `(texts, vocabulary)` with the repetition penalty on every token of each text, its prompt included."""
    if penalty == 1.0:
        return scores
    lowered = scores.copy()
    for row, text in enumerate(texts):
        seen = np.unique(text[text < scores.shape[1]])
        lowered[row, seen] = np.where(scores[row, seen] < 0, scores[row, seen] * penalty, scores[row, seen] / penalty)
    return lowered


def warped(scores: Floats, decoding: Decoding) -> Floats:
    """Temperature, top-k and top-p; tokens that are out have minus infinity. Of equal scores top-k keeps all."""
    scores = scores / decoding.temperature
    if 0 < decoding.top_k < scores.shape[1]:
        least = np.partition(scores, -decoding.top_k, axis=1)[:, -decoding.top_k, None]
        scores = np.where(scores < least, -np.inf, scores)
    if decoding.top_p < 1.0:
        order = np.argsort(scores, axis=1, kind="stable")
        tail = np.cumsum(softmax(np.take_along_axis(scores, order, axis=1)), axis=1)
        out = tail <= 1.0 - decoding.top_p
        out[:, -1] = False
        back = np.argsort(order, axis=1, kind="stable")
        scores = np.where(np.take_along_axis(out, back, axis=1), -np.inf, scores)
    return scores


def softmax(scores: Floats) -> Floats:
    """Probabilities over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def log_softmax(scores: Floats) -> Floats:
    """Their logarithms."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
