"""Sentences out of a small transformer's update: rows of the embedding, and the span of a layer's inputs.

A token that does not occur leaves its row of the embedding unchanged, so a trained embedding tells the bag of words
outright. A frozen one, as with adapters, does not; but the gradient of a linear layer is a product with the layer's
inputs, and when a batch has fewer tokens than the layer is wide, exactly the tokens that were there, each at its place,
lie in the gradient's column space (Petrov et al., DAGER, 2024; their check of the first layer, which needs no search).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from autoglm_core.workload import ParameterLayout, ParameterSpec

if TYPE_CHECKING:
    from torch import Tensor

Vector = NDArray[np.float32]
Sentence = tuple[int, ...]
Places = frozenset[tuple[int, int]]
"""(position, token) pairs."""
LONGEST = 16
LEARNING_RATE = 0.1
IN_SPAN = 1e-2
"""Largest sine of the angle between a token's vector and the span."""
RESOLUTION = 1e-7
"""Singular values below this are what quantization leaves: some steps of a 32-bit ring."""


@dataclass(frozen=True)
class Corpus:
    """Questions of the TREC set. `sentences`: (label, tokens); tokens are numbered by frequency."""

    words: tuple[str, ...]
    labels: tuple[str, ...]
    sentences: tuple[tuple[int, Sentence], ...]

    @classmethod
    def read(cls, path: Path) -> Corpus:
        """From a file of `LABEL:fine word word ...` lines; sentences of at most `LONGEST` words that occur twice."""
        lines = [line.lower().split() for line in path.read_text(encoding="latin-1").splitlines()]
        counts = Counter(word for _, *words in lines for word in words)
        words = tuple(word for word, count in counts.most_common() if count > 1)
        number = {word: index for index, word in enumerate(words)}
        labels = tuple(sorted({kind.split(":")[0] for kind, *_ in lines}))
        return cls(
            words,
            labels,
            tuple(
                (labels.index(kind.split(":")[0]), tuple(number[word] for word in tokens))
                for kind, *tokens in lines
                if len(tokens) <= LONGEST and number.keys() >= set(tokens)
            ),
        )


class Transformer:
    """One block of attention and one of two dense layers, mean over the tokens, one linear head; random weights."""

    def __init__(self, corpus: Corpus, *, width: int, seed: int) -> None:
        inner, kinds = 2 * width, len(corpus.labels)
        shapes = {
            "embedding": (len(corpus.words), width),
            "position": (LONGEST, width),
            **dict.fromkeys(("query", "key", "value", "output"), (width, width)),
            "up": (width, inner),
            "down": (inner, width),
            "head": (width, kinds),
        }
        self.width = width
        self.layout = ParameterLayout(tuple(ParameterSpec(name, shape) for name, shape in shapes.items()))
        drawn = np.random.default_rng(seed)
        self.weights = {
            name: (drawn.standard_normal(shape) * _deviation(name, shape)).astype(np.float32)
            for name, shape in shapes.items()
        }

    def update(self, label: int, sentence: Sentence) -> Vector:
        """What one step over `sentence` changes."""
        tensors = {name: torch.from_numpy(value).requires_grad_(True) for name, value in self.weights.items()}
        logits = self._logits(tensors, torch.tensor(sentence))
        loss = torch.nn.functional.cross_entropy(logits[None], torch.tensor([label]))
        gradients = torch.autograd.grad(loss, list(tensors.values()))
        step = {name: -LEARNING_RATE * value.numpy() for name, value in zip(tensors, gradients, strict=True)}
        return self.layout.join(step)

    def _logits(self, tensors: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
        values = tensors["embedding"][tokens] + tensors["position"][: len(tokens)]
        inputs = self._normalised(values)
        queries, keys = inputs @ tensors["query"], inputs @ tensors["key"]
        weights = torch.softmax(queries @ keys.T / self.width**0.5, -1)
        values = values + weights @ (inputs @ tensors["value"]) @ tensors["output"]
        values = values + (self._normalised(values) @ tensors["up"]).relu() @ tensors["down"]
        return values.mean(0) @ tensors["head"]

    def _normalised(self, values: Tensor) -> Tensor:
        return torch.nn.functional.layer_norm(values, (self.width,))

    @cached_property
    def inputs(self) -> NDArray[np.float64]:
        """What each token at each position is to the attention, of length 1: `(tokens, positions, width)`."""
        with torch.no_grad():
            both = torch.from_numpy(self.weights["embedding"])[:, None] + torch.from_numpy(self.weights["position"])
            vectors: NDArray[np.float64] = np.asarray(self._normalised(both).numpy(), dtype=np.float64)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))

    def tokens_by_row(self, update: Vector, *, expected: int) -> frozenset[int]:
        """Tokens whose row changed; where all did, the `expected` ones that changed most."""
        changes = np.linalg.norm(self.layout.split(update)["embedding"], axis=1)
        changed = np.flatnonzero(changes)
        return frozenset(map(int, changed if changed.size < changes.size else np.argsort(-changes)[:expected]))

    def places_by_span(self, update: Vector) -> Places:
        """Tokens and places that lie in the span of the value layer's inputs; none where that span is everything."""
        left, strength, _ = np.linalg.svd(self.layout.split(update)["value"].astype(np.float64))
        rank = int((strength > RESOLUTION).sum())
        if rank >= self.width - 1:  # the normalised inputs lie in a space of one dimension less
            return frozenset()
        inside = ((self.inputs @ left[:, :rank]) ** 2).sum(-1)
        tokens, positions = np.nonzero(1 - inside < IN_SPAN**2)
        return frozenset(zip(map(int, positions), map(int, tokens), strict=True))


def _deviation(name: str, shape: tuple[int, ...]) -> float:
    return 1.0 if name in ("embedding", "position") else float(shape[0] ** -0.5)


def places(sentence: Sentence) -> Places:
    """The sentence as pairs of position and token."""
    return frozenset(enumerate(sentence))


def f1(found: frozenset[object], truth: frozenset[object]) -> float:
    """Harmonic mean of precision and recall; over tokens this is ROUGE-1 of sets."""
    return 2 * len(found & truth) / max(1, len(found) + len(truth))


def recall(found: frozenset[object], truths: Sequence[frozenset[object]]) -> float:
    """Share of everything in `truths` that was found."""
    all_of_it = frozenset().union(*truths)
    return len(found & all_of_it) / max(1, len(all_of_it))
