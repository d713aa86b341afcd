"""Rows that say what another says: which go, and that none is missed."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from autoglm_core.text_cleaning import Duplicates
from autoglm_workloads.text.data import near_duplicates
from autoglm_workloads.text.data.cleaning import Drop
from autoglm_workloads.text.data.duplicates import duplicate_rows
from autoglm_workloads.text.data.examples import Example
from autoglm_workloads.text.data.near_duplicates import THRESHOLD, candidates, pieces, similarity

# ruff: noqa: S311 - seeded on purpose

NEAR, EXACT = Duplicates.NEAR, Duplicates.EXACT
LETTERS = "abcdefghijklmnopqrstuvwxyz     三個字"


def texts_with_twins(count: int, seed: int) -> list[str]:
    """Texts of 40 to 120 letters, half of them an earlier one with up to three letters changed."""
    order, texts = Random(seed), list[str]()
    for _ in range(count):
        if texts and order.random() < 0.5:
            letters = list(order.choice(texts))
            for _ in range(order.randint(0, 3)):
                letters[order.randrange(len(letters))] = order.choice(LETTERS)
            texts.append("".join(letters))
        else:
            texts.append("".join(order.choices(LETTERS, k=order.randint(40, 120))))
    return texts


def test_candidates_hold_nearly_all_pairs_that_are_near_and_few_others() -> None:
    texts = texts_with_twins(300, seed=1)
    sets = [pieces(text) for text in texts]
    near = {(b, a) for a, b in combinations(range(300), 2) if similarity(sets[a], sets[b]) >= THRESHOLD}
    found = {(row, other) for row, others in candidates(texts) for other in others}
    assert len(near) > 100
    assert len(near - found) <= 0.01 * len(near)
    assert len(found) < 10 * len(near)


def test_similarity_is_that_of_sets_whatever_the_case_and_spaces() -> None:
    assert similarity(pieces("The ship  sails"), pieces("the SHIP sails")) == 1
    assert similarity(pieces("abcdef"), pieces("bcdefg")) == pytest.approx(1 / 3)
    assert similarity(pieces("abcde"), pieces("vwxyz")) == 0
    assert similarity(pieces("三個"), pieces("三個 ")) == 1


@pytest.mark.parametrize(
    ("first", "second", "drop"),
    [
        (Example("a text", label=1), Example("a text", label=1), Drop.DUPLICATE),
        (Example("a text", label=1), Example("a text", label=0), Drop.CONTRADICTION),
        (Example("a b", words=("a", "b"), tags=("O", "B-x")), Example("a b", words=("a", "b"), tags=("O", "O")),
         Drop.CONTRADICTION),
        (Example("a text", reference="yes"), Example("a text", reference="no"), Drop.CONTRADICTION),
    ],
)  # fmt: skip
def test_texts_about_which_people_did_not_agree_are_counted_apart(first: Example, second: Example, drop: Drop) -> None:
    assert list(duplicate_rows([first, second], EXACT).values()) == [drop]


def test_all_near_duplicates_but_one_go_whatever_the_order() -> None:
    rows = [Example(text) for text in texts_with_twins(200, seed=2)]
    found = duplicate_rows(rows, NEAR)
    kept = {rows[row].text for row in range(200) if row not in found}
    backwards = duplicate_rows(rows[::-1], NEAR)
    assert kept == {rows[::-1][row].text for row in range(200) if row not in backwards}
    sets = [pieces(text) for text in kept]
    assert sum(similarity(a, b) >= THRESHOLD for a, b in combinations(sets, 2)) <= 1
    assert set(duplicate_rows(rows, EXACT).values()) == {Drop.DUPLICATE}


def test_a_published_test_row_stays_and_its_twins_leave_the_other_parts() -> None:
    long = "the quick brown fox jumps over the lazy dog while the night watch is asleep in the barn"
    parts = ["train", "validation", "test", "test", "train", "validation"]
    rows = [Example(long, split=part) for part in parts[:4]]
    rows += [Example(long.replace("fox", "cat"), split=part) for part in parts[4:]]
    assert similarity(pieces(long), pieces(rows[4].text)) >= THRESHOLD
    assert duplicate_rows(rows, Duplicates.NONE) == {}
    assert duplicate_rows(rows, EXACT) == {0: Drop.DUPLICATE, 1: Drop.DUPLICATE, 4: Drop.DUPLICATE}
    near = {4: Drop.NEAR_DUPLICATE, 5: Drop.NEAR_DUPLICATE}
    assert duplicate_rows(rows, NEAR) == {0: Drop.DUPLICATE, 1: Drop.DUPLICATE} | near | {4: Drop.DUPLICATE}


def test_pairs_are_equal_only_together() -> None:
    rows = [Example("same", pair="one"), Example("same", pair="two"), Example("same", pair="one", label=1)]
    assert len(duplicate_rows(rows, EXACT)) == 1


def test_a_phrase_in_every_row_does_not_make_the_work_quadratic() -> None:
    texts = [f"{'the same long beginning of every letter that we send, ' * 4}number {row}" for row in range(2000)]
    pairs = sum(len(others) for _, others in candidates(texts))
    assert pairs <= 2000 * near_duplicates.BANDS * near_duplicates.MOST_OF_BAND
    assert len(duplicate_rows([Example(text) for text in texts], NEAR)) == 1999


@pytest.mark.parametrize("texts", [[], ["a"], ["", "x"]])
def test_hardly_any_texts(texts: list[str]) -> None:
    assert list(candidates(texts)) == []
