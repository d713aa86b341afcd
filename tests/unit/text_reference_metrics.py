"""Metrics of answers: the papers' own examples, sacrebleu's figures, and errors that resampling shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from autoglm_core.measurement import Measurement, Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.text.generation.overlap import letter_counts, longest_common, sequence_f1, word_counts
from autoglm_workloads.text.generation.reference_metrics import METRICS, bleu, chrf, count, layout, score
from autoglm_workloads.text.generation.words import answer_words, marked_words, plain_words
from support.workload_cases import summed

ANSWERS = ["A cat sat on the mat at 3.14 p.m.", "他在北京读书。", "It is a well known fact."]
REFERENCES = [["The cat sat on the mat, at 3.14 p.m."], ["他在北京大学读书。"], ["It's a well-known fact."]]
GUIDES = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
]


def scores_of(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Measurement]:
    return score(count(answers, references), Split.TEST)


def test_modified_precision_of_the_bleu_paper() -> None:
    """Papineni et al. 2002, section 2.1, examples 1 and 2; their words without regard to case."""
    references = [text.lower().split() for text in GUIDES]
    first = "it is a guide to action which ensures that the military always obeys the commands of the party"
    second = "it is to insure the troops forever hearing the activity guidebook that party direct"
    counts = word_counts(first.split(), references)
    assert (counts[0], counts[4]) == (17, 18)
    assert (counts[1], counts[5]) == (10, 17)
    counts = word_counts(second.split(), references)
    assert (counts[0], counts[4]) == (8, 14)
    assert (counts[1], counts[5]) == (1, 13)
    mats = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    counts = word_counts(["the"] * 7, mats)
    assert (counts[0], counts[4], counts[1]) == (2, 7, 0)
    assert counts[8] == 7, "the reference of 7 words is the closer one"


def test_bleu_of_a_worked_example() -> None:
    """Precisions 5/6, 3/5, 1/4 and 0/3 (taken as half a match), and 6 words against 7."""
    counts = np.array([5, 3, 1, 0, 6, 5, 4, 3, 7], float)
    expected = np.exp(1 - 7 / 6) * (5 / 6 * 3 / 5 * 1 / 4 * 0.5 / 3) ** 0.25
    assert bleu(counts) == pytest.approx(expected)
    assert bleu(np.array([0, 0, 0, 0, 6, 5, 4, 3, 7], float)) == 0
    assert bleu(np.array([2, 1, 0, 0, 2, 1, 0, 0, 2], float)) == 0, "no answer has four words"


def test_rouge_of_its_paper() -> None:
    """Lin 2004, section 3.1: the longest common subsequences of S1 with S2 and with S3."""
    first = plain_words("police killed the gunman")
    assert sequence_f1(plain_words("Police kill the gunman."), first) == 3 / 4
    assert sequence_f1(plain_words("the gunman kill police"), first) == 2 / 4
    assert longest_common("ABCBDAB", "BDCABA") == 4
    assert sequence_f1([], []) == 1
    assert sequence_f1([], ["a"]) == 0


def test_chrf_of_a_worked_example() -> None:
    """`a b` against `abc`: precisions 2/2 and 1/1, recalls 2/3 and 1/2, no answer of three letters."""
    counts = np.array(letter_counts("a b", "abc"), float)
    assert counts.reshape(3, 6)[:, :3].tolist() == [[2, 1, 0], [2, 1, 0], [3, 2, 1]]
    assert chrf(counts) == pytest.approx(5 * 1 * (7 / 12) / (4 + 7 / 12))
    assert letter_counts("abc", "ab")[6:12] == [3, 2, 0, 0, 0, 0], "runs of three have nothing to match"


def test_figures_of_sacrebleu() -> None:
    """sacrebleu 2.6.0: `corpus_bleu(..., tokenize="zh")` and `corpus_chrf(...)` of the same texts."""
    scores = scores_of(ANSWERS, REFERENCES)
    assert 100 * scores["bleu"].mean == pytest.approx(53.13330024244939)
    assert 100 * scores["chrf"].mean == pytest.approx(67.23869730316689)
    shorter = scores_of(["abc", "ab cd efg"], [["ab"], ["ab cd xfg"]])
    assert 100 * shorter["chrf"].mean == pytest.approx(36.91888521220326)


def test_squad_answers() -> None:
    scores = scores_of(["The Eiffel Tower!", "in Paris, France", ""], [["eiffel tower", "x"], ["Paris"], ["no"]])
    assert scores["exact_match"].mean == pytest.approx(1 / 3)
    assert scores["token_f1"].mean == pytest.approx((1 + 2 / 4 + 0) / 3)


def test_chinese_goes_by_character_in_every_metric() -> None:
    assert answer_words("他在《北京》读书。") == list("他在北京读书")
    assert plain_words("GLM-4 是模型") == ["glm", "4", "是", "模", "型"]
    assert marked_words("他在北京, ok?") == [*"他在北京", ",", "ok", "?"]
    scores = scores_of(["他在北京读书"], [["他在北京大学读书。"]])
    assert scores["token_f1"].mean == pytest.approx(2 * 6 / 14)
    assert scores["rouge_l"].mean == pytest.approx(2 * 6 / 14)


@cache
def noisy(rows: int) -> tuple[list[str], list[list[str]]]:
    """References and answers that repeat them with faults and gaps, some with many."""
    stream, words = np.random.default_rng(4), np.array("the cat sat on a mat and one big dog ran past it".split())
    references = [stream.choice(words, stream.integers(5, 14)) for _ in range(rows)]
    faults = stream.choice([0.1, 0.6], rows)
    kept = [stream.random(row.size) > rate * stream.random() for rate, row in zip(faults, references, strict=True)]
    answers = [
        np.where(stream.random(row.size) < rate, stream.choice(words, row.size), row)[there]
        for rate, row, there in zip(faults, references, kept, strict=True)
    ]
    return [" ".join(answer) for answer in answers], [[" ".join(row)] for row in references]


def test_sites_together_score_like_one() -> None:
    answers, references = noisy(90)
    cuts = [slice(0, 20), slice(20, 23), slice(23, 90)]
    parts = [count(answers[cut], references[cut]) for cut in cuts]
    together = score(summed(layout(), parts), Split.TEST)
    pooled = scores_of(answers, references)
    for name in ("exact_match", "token_f1", "rouge_l", "bleu", "chrf"):
        assert together[name].mean == pytest.approx(pooled[name].mean, abs=1e-8)
        assert together[name].standard_error == pytest.approx(pooled[name].standard_error, rel=1e-5)
    sites = [scores_of(answers[cut], references[cut])["token_f1"].mean for cut in cuts]
    assert together["mean_site_token_f1"].mean == pytest.approx(np.mean(sites))
    assert set(together) == set(METRICS)


def test_errors_are_about_those_of_resampled_rows() -> None:
    answers, references = noisy(200)
    scores = scores_of(answers, references)
    pairs = list(zip(answers, references, strict=True))
    words = np.array([word_counts(marked_words(text), [marked_words(wanted[0])]) for text, wanted in pairs], float)
    letters = np.array([letter_counts(text, wanted[0]) for text, wanted in pairs], float)
    drawn = np.random.default_rng(0).integers(0, 200, (1000, 200))
    for name, figure, rows in (("bleu", bleu, words), ("chrf", chrf, letters)):
        resampled = np.std([figure(sums) for sums in rows[drawn].sum(axis=1)])
        assert scores[name].standard_error == pytest.approx(resampled, rel=0.07)
    assert 0.01 < scores["exact_match"].standard_error < 0.05


def test_perfect_and_empty_answers_are_not_certain_and_no_rows_are_an_error() -> None:
    texts = ["one two three four five", "six seven eight nine"]
    perfect = scores_of(texts, [[text] for text in texts])
    empty = scores_of(["", ""], [[text] for text in texts])
    for name in ("exact_match", "token_f1", "rouge_l", "bleu", "chrf"):
        assert perfect[name].mean == pytest.approx(1)
        assert empty[name].mean == 0
        assert min(perfect[name].standard_error, empty[name].standard_error) > 0.05
    with pytest.raises(NothingCounted, match="validation"):
        score(count([], []), Split.VALIDATION)
