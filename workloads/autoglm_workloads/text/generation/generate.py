"""Texts from a language model and a `Decoding`.

Each row draws from its own stream, which depends on the seed and the row's number alone: neither the batch nor other
rows change what it gets. Two processors may still round a model's logits differently; where two tokens are that close,
their texts part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoglm_workloads.seeding import generator
from autoglm_workloads.text.generation.beams import search_beams
from autoglm_workloads.text.generation.decoding import BEAMS, SAMPLING, Decoding
from autoglm_workloads.text.generation.scores import CausalModel, Floats, Ids, penalised, softmax, warped

BATCH = 8
"""Texts (or searches) that go through the model together."""


def generate(model: CausalModel, prompts: Sequence[Ids], decoding: Decoding, *, seed: bytes) -> list[Ids]:
    """The new tokens after each of `prompts`, without the token that ended them.

    The model's `starts` stand in front of each. A prompt that leaves no room for `max_new_tokens` in the model's window
    loses its beginning; one without tokens gets no answer.

    Raises:
        StudyError: the window has no room for a prompt.
    """
    decoding.check_window(model.window)
    room = model.window - decoding.max_new_tokens
    # A window that has no room for both shows the prompt.
    starts = np.array(model.starts if len(model.starts) < room else (), np.int64)
    answers = [np.zeros(0, np.int64)] * len(prompts)
    asked = [row for row, prompt in enumerate(prompts) if prompt.size]
    for start in range(0, len(asked), BATCH):
        rows = asked[start : start + BATCH]
        texts = [np.concatenate([starts, prompts[row][starts.size - room :]]) for row in rows]
        if decoding.strategy == BEAMS:
            found = search_beams(model, texts, decoding)
        else:
            found = _continued(model, texts, decoding, _draws(rows, decoding, seed))
        for row, text in zip(rows, found, strict=True):
            answers[row] = text[:-1] if text.size and int(text[-1]) in model.stops else text
    return answers


def _draws(rows: Sequence[int], decoding: Decoding, seed: bytes) -> Floats | None:
    """Uniform numbers `(rows, max_new_tokens)`, or None where nothing is drawn."""
    if decoding.strategy != SAMPLING:
        return None
    return np.stack([generator(seed, f"generation/{row}").random(decoding.max_new_tokens) for row in rows])


def _continued(model: CausalModel, prompts: Sequence[Ids], decoding: Decoding, draws: Floats | None) -> list[Ids]:
    """New tokens after each prompt up to and with its end token; greedy without `draws`."""
    texts, running = list(prompts), list(range(len(prompts)))
    for step in range(decoding.max_new_tokens):
        shown = [texts[row] for row in running]
        scores = penalised(model.next_logits(shown), shown, decoding.repetition_penalty)
        tokens = scores.argmax(axis=1) if draws is None else drawn(warped(scores, decoding), draws[running, step])
        for row, token in zip(running, tokens, strict=True):
            texts[row] = np.append(texts[row], token)
        running = [row for row in running if int(texts[row][-1]) not in model.stops]
        if not running:
            break
    return [text[prompt.size :] for text, prompt in zip(texts, prompts, strict=True)]


def drawn(scores: Floats, uniform: Floats) -> Ids:
    """Tokens `(texts,)` with the probabilities of `scores` `(texts, vocabulary)`, by one number of [0, 1) for each."""
    cumulative = np.cumsum(softmax(scores), axis=1)
    tokens = [
        np.searchsorted(row, number * row[-1], side="right") for row, number in zip(cumulative, uniform, strict=True)
    ]
    return np.array(tokens, np.int64)
