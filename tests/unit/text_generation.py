"""Texts equal those of transformers' own generation, token for token, on a tiny GLM-4."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import Glm4Config, Glm4ForCausalLM
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from autoglm_core.study_error import StudyError
from autoglm_workloads.text.generation.decoding import Decoding
from autoglm_workloads.text.generation.generate import drawn, generate
from autoglm_workloads.text.generation.scores import CausalModel, Ids, penalised, warped

VOCABULARY, WINDOW, PAD, END = 24, 24, 0, 1
SEED = bytes(32)
PROMPTS = [np.random.default_rng(row).integers(2, VOCABULARY, 3 + row % 4) for row in range(12)]


@cache
def tiny() -> Any:
    """A GLM-4 of two layers with weights large enough that it has opinions."""
    config = Glm4Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        pad_token_id=PAD,
        eos_token_id=[END, PAD],
        initializer_range=0.4,
    )
    torch.manual_seed(3)
    model: Any = Glm4ForCausalLM(config)
    return model.eval()


def logits(ids: Ids) -> NDArray[np.float32]:
    with torch.no_grad():
        values = tiny()(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(ids != PAD)).logits
    return np.asarray(values.numpy())


MODEL = CausalModel(logits, window=WINDOW, pad=PAD, ends=(END,))


def of_transformers(prompt: Ids, **options: Any) -> list[int]:
    """What `generate` of transformers makes of one prompt, without the token that ended it."""
    ids = torch.from_numpy(prompt)[None]
    with torch.no_grad():
        text = tiny().generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, **options)[0]
    new = [int(token) for token in text[prompt.size :]]
    ended = next((place for place, token in enumerate(new) if token in (PAD, END)), len(new))
    return new[:ended]


def as_lists(answers: Sequence[Ids]) -> list[list[int]]:
    return [answer.tolist() for answer in answers]


@pytest.mark.parametrize("penalty", [1.0, 1.4])
def test_greedy_texts_are_those_of_transformers(penalty: float) -> None:
    decoding = Decoding(max_new_tokens=12, repetition_penalty=penalty)
    expected = [of_transformers(prompt, do_sample=False, repetition_penalty=penalty) for prompt in PROMPTS]
    assert as_lists(generate(MODEL, PROMPTS, decoding, seed=SEED)) == expected
    assert {len(text) for text in expected} != {12}, "some must end early"


@pytest.mark.parametrize(("beams", "length", "penalty"), [(1, 1.0, 1.0), (2, 1.0, 1.0), (3, 0.0, 1.0), (4, 2.0, 1.2)])
def test_beam_texts_are_those_of_transformers(beams: int, length: float, penalty: float) -> None:
    decoding = Decoding("beams", 12, beams=beams, length_penalty=length, repetition_penalty=penalty)
    options = {"num_beams": beams, "length_penalty": length, "repetition_penalty": penalty, "do_sample": False}
    expected = [of_transformers(prompt, **options) for prompt in PROMPTS]
    assert as_lists(generate(MODEL, PROMPTS, decoding, seed=SEED)) == expected


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(0.7, 0, 1.0), (1.0, 5, 1.0), (1.3, 0, 0.6), (0.5, 7, 0.9), (2.0, 999, 0.01)]
)
def test_scores_are_those_of_transformers(temperature: float, top_k: int, top_p: float) -> None:
    scores = np.random.default_rng(1).normal(size=(6, VOCABULARY)) * 3
    texts = [np.random.default_rng(row).integers(0, VOCABULARY, 9) for row in range(6)]
    processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(1.3), TemperatureLogitsWarper(temperature)])
    if top_k:
        processors.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    expected = processors(torch.from_numpy(np.stack(texts)), torch.from_numpy(scores)).numpy()
    decoding = Decoding("sampling", temperature=temperature, top_k=top_k, top_p=top_p)
    received = warped(penalised(scores, texts, 1.3), decoding)
    assert (np.isfinite(received) == np.isfinite(expected)).all()
    assert received[np.isfinite(received)] == pytest.approx(expected[np.isfinite(expected)])


def test_tokens_are_drawn_with_their_probabilities() -> None:
    scores = np.tile(np.log([0.5, 0.3, 0.2, 1e-300]), (20_000, 1))
    scores[:, 3] = -np.inf
    tokens = drawn(scores, np.random.default_rng(0).random(20_000))
    assert np.bincount(tokens, minlength=4) / 20_000 == pytest.approx([0.5, 0.3, 0.2, 0], abs=0.015)
    assert drawn(scores[:2], np.array([0.0, np.nextafter(1, 0)])).tolist() == [0, 2]
    assert drawn(np.array([[-np.inf, 1.0, 1.0]]), np.array([0.0])).tolist() == [1]


def test_a_row_draws_the_same_whatever_goes_with_it() -> None:
    decoding = Decoding("sampling", 10, temperature=1.5, top_k=12)
    together = as_lists(generate(MODEL, PROMPTS, decoding, seed=SEED))
    assert together == as_lists(generate(MODEL, PROMPTS, decoding, seed=SEED))
    others = [*PROMPTS[:1], *reversed(PROMPTS[1:])]
    assert as_lists(generate(MODEL, others, decoding, seed=SEED))[0] == together[0]
    assert as_lists(generate(MODEL, PROMPTS, decoding, seed=b"\1" * 32)) != together
    same = as_lists(generate(MODEL, PROMPTS[:1] * 4, decoding, seed=SEED))
    assert len({tuple(text) for text in same}) > 1, "rows with one prompt draw from streams of their own"


def test_long_prompts_lose_their_beginning_and_empty_ones_get_no_answer() -> None:
    decoding = Decoding(max_new_tokens=8)
    long = np.random.default_rng(9).integers(2, VOCABULARY, 40)
    answers = generate(MODEL, [long, long[:0], long[-16:]], decoding, seed=SEED)
    assert answers[1].size == 0
    assert answers[0].tolist() == answers[2].tolist()
    with pytest.raises(StudyError, match="max_new_tokens: must be below the 24 tokens"):
        generate(MODEL, PROMPTS, Decoding(max_new_tokens=24), seed=SEED)


def test_a_model_that_answers_nothing_finite_still_ends() -> None:
    broken = CausalModel(lambda ids: np.full((*ids.shape, VOCABULARY), np.nan, np.float32), WINDOW, PAD, (END,))
    for decoding in (Decoding(max_new_tokens=5), Decoding("beams", 5, beams=3), Decoding("sampling", 5)):
        assert all(answer.size <= 5 for answer in generate(broken, PROMPTS[:2], decoding, seed=SEED))
