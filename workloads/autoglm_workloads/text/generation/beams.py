"""Beam search: the likeliest texts are extended together, and the best finished one is the answer.

Follows transformers' default (`early_stopping=False`): with b beams, an end token counts only among the b best
continuations of a step, and a search is over once b texts have finished and the best running one, divided by its length
as it is now, does not reach the worst of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_workloads.text.generation.decoding import Decoding
from autoglm_workloads.text.generation.scores import CausalModel, Floats, Ids, log_softmax, penalised


@dataclass(frozen=True)
class Beam:
    """A text with its prompt; `score`: log likelihood of what follows the prompt, over its length once finished."""

    score: float
    text: Ids


@dataclass(frozen=True)
class Search:
    """Of one prompt: the running beams, best first, and the best finished ones, best first."""

    prompt: int
    running: tuple[Beam, ...]
    finished: tuple[Beam, ...] = ()

    @property
    def answer(self) -> Ids:
        """The best finished text without its prompt, with its end token where it has one."""
        return self.finished[0].text[self.prompt :]


def search_beams(model: CausalModel, prompts: Sequence[Ids], decoding: Decoding) -> list[Ids]:
    """The answer to each of `prompts`, as `Search.answer` has it; one model call a step serves all of them."""
    searches = [Search(prompt.size, (Beam(0.0, prompt),)) for prompt in prompts]
    over = [False] * len(searches)
    while not all(over):
        open_ones = [number for number, done in enumerate(over) if not done]
        texts = [beam.text for number in open_ones for beam in searches[number].running]
        likelihoods = penalised(log_softmax(model.next_logits(texts)), texts, decoding.repetition_penalty)
        start = 0
        for number in open_ones:
            width = len(searches[number].running)
            searches[number] = _extended(searches[number], likelihoods[start : start + width], model, decoding)
            over[number] = _is_over(searches[number], decoding)
            start += width
    return [search.answer for search in searches]


def _extended(search: Search, likelihoods: Floats, model: CausalModel, decoding: Decoding) -> Search:
    """One step on, by the log likelihoods `(running, vocabulary)` of the next token."""
    vocabulary = likelihoods.shape[1]
    reached = (likelihoods + np.array([[beam.score] for beam in search.running])).ravel()
    kept = max(2, 1 + len(model.stops)) * decoding.beams
    best = _largest(reached, kept)
    texts = [np.append(search.running[place // vocabulary].text, place % vocabulary) for place in best]
    length = texts[0].size - search.prompt
    full = length == decoding.max_new_tokens
    ended = [full or int(text[-1]) in model.stops for text in texts]
    running = [Beam(float(reached[best[k]]), text) for k, text in enumerate(texts) if not ended[k]]
    found = [
        Beam(float(reached[best[k]]) / length**decoding.length_penalty, texts[k])
        for k in range(min(decoding.beams, len(texts)))
        if ended[k]
    ]
    finished = sorted((*search.finished, *found), key=lambda beam: -beam.score)
    return Search(search.prompt, tuple(running[: decoding.beams]), tuple(finished[: decoding.beams]))


def _is_over(search: Search, decoding: Decoding) -> bool:
    if not search.running:
        return True
    if len(search.finished) < decoding.beams:
        return False
    best = search.running[0]
    length = float(best.text.size - search.prompt)
    return bool(best.score / length**decoding.length_penalty <= search.finished[-1].score)


def _largest(values: Floats, count: int) -> NDArray[np.intp]:
    """Places of the `count` largest values, largest first, of equals the first one."""
    if count < values.size:
        least = np.partition(values, -count)[-count]
        places = np.flatnonzero(values >= least)
    else:
        places = np.arange(values.size)
    return places[np.argsort(-values[places], kind="stable")][:count]
