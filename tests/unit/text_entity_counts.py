"""Entity figures equal seqeval's strict ones, over all sites, and their errors are what resampling shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2, IOBES

from autoglm_core.measurement import Split
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.text.entity_counts import METRICS, TaggedRow, count, layout, score
from autoglm_workloads.text.tag_decoding import Transitions
from autoglm_workloads.text.tags import tag_names
from support.workload_cases import summed

ENTITIES = ("person", "place", "thing")
Numbers = Sequence[int] | NDArray[Any]
SCHEMES = {"bio": IOB2, "bioes": IOBES}


def row(predicted: Numbers, gold: Numbers, *, tags: int) -> TaggedRow:
    """Logits that are sure of `predicted`."""
    return TaggedRow(np.eye(tags, dtype=np.float32)[list(predicted)] * 8, np.array(gold, np.int64))


def named(scheme: str, predicted: Sequence[str], gold: Sequence[str]) -> TaggedRow:
    tags = tag_names(scheme, ENTITIES)
    return row([tags.index(tag) for tag in predicted], [tags.index(tag) for tag in gold], tags=len(tags))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SCHEMES)), st.integers(0, 2**31))
def test_equals_seqeval_on_any_sequences(scheme: str, seed: int) -> None:
    stream, tags = np.random.default_rng(seed), tag_names(scheme, ENTITIES)
    gold = [stream.integers(0, len(tags), stream.integers(1, 9)) for _ in range(12)]
    # Mostly the gold tag: sequences that agree by chance alone would hardly have a right entity.
    predicted = [np.where(stream.random(row.size) < 0.8, row, stream.integers(0, len(tags), row.size)) for row in gold]
    rows = [row(*pair, tags=len(tags)) for pair in zip(predicted, gold, strict=True)]
    parts = [count(rows[start : start + 4], scheme=scheme, entities=ENTITIES) for start in (0, 4, 8)]
    scores = score(summed(layout(ENTITIES), parts), Split.TEST)
    texts = [[[tags[tag] for tag in row] for row in side] for side in (gold, predicted)]
    for average, names in (("micro", ("precision", "recall", "f1")), ("macro", (None, None, "macro_f1"))):
        expected = precision_recall_fscore_support(*texts, average=average, scheme=SCHEMES[scheme], zero_division=0)
        for name, value in zip(names, expected, strict=False):
            assert name is None or scores[name].mean == pytest.approx(value)


def test_words_that_were_cut_off_are_missed() -> None:
    tags = tag_names("bio", ENTITIES)
    gold = ["B-person", "I-person", "O", "B-place"]
    whole = named("bio", gold, gold)
    short = TaggedRow(whole.logits[:1], whole.gold)
    counters = count([short], scheme="bio", entities=ENTITIES)
    person, place = np.asarray(counters["entities"])[:2]
    assert person.tolist() == [0, 1, 1]
    assert place.tolist() == [0, 0, 1]
    scores = score(counters, Split.TEST)
    assert scores["recall"].mean == 0
    assert scores["token_accuracy"].mean == 1
    assert len(tags) == 7


def test_constrained_decoding_mends_what_the_scheme_does_not_allow() -> None:
    gold = ["O", "B-place", "I-place", "O"]
    sloppy = named("bio", ["O", "I-place", "I-place", "O"], gold)
    sloppy.logits[1, tag_names("bio", ENTITIES).index("B-place")] = 7
    plain = score(count([sloppy], scheme="bio", entities=ENTITIES), Split.TEST)
    mended = score(count([sloppy], scheme="bio", entities=ENTITIES, constrained=True), Split.TEST)
    assert (plain["f1"].mean, mended["f1"].mean) == (0, 1)
    assert mended["loss"].mean == plain["loss"].mean


def test_an_entity_that_is_cut_off_is_not_closed_early() -> None:
    gold = ["B-thing", "I-thing", "I-thing", "E-thing"]
    whole = named("bioes", gold, gold)
    cut = TaggedRow(whole.logits[:2], whole.gold)
    counted = np.asarray(count([cut], scheme="bioes", entities=ENTITIES, constrained=True)["entities"])
    assert counted[2].tolist() == [0, 0, 1], "missed, and nothing invented"
    ended = TaggedRow(whole.logits[:2], whole.gold[:2])
    assert np.asarray(count([ended], scheme="bioes", entities=ENTITIES, constrained=True)["entities"])[2, 1] == 1


def test_the_transitions_of_a_crf_decide_tags_and_loss() -> None:
    tags = tag_names("bio", ("person",))
    unsure = TaggedRow(np.zeros((3, 3), np.float32), np.array([0, 1, 2]))
    learned = Transitions(np.zeros((3, 3)), np.array([9.0, 0, 0]), np.zeros(3))
    learned.between[0, 1] = learned.between[1, 2] = 9.0
    scores = score(count([unsure], scheme="bio", entities=("person",), crf=learned), Split.TEST)
    assert tags == ("O", "B-person", "I-person")
    assert scores["f1"].mean == 1
    assert scores["loss"].mean < 0.01


def test_errors_are_about_those_of_resampled_rows() -> None:
    stream, tags = np.random.default_rng(5), tag_names("bio", ENTITIES)
    gold = [stream.integers(0, len(tags), 12) for _ in range(300)]
    # Whole rows are good or bad: errors that took entities as independent would be too small by half.
    bad = stream.random(300) < 0.3
    predicted = [stream.integers(0, len(tags), 12) if lost else row for lost, row in zip(bad, gold, strict=True)]
    rows = [row(*pair, tags=len(tags)) for pair in zip(predicted, gold, strict=True)]
    parts = [count([each], scheme="bio", entities=ENTITIES) for each in rows]
    together = score(summed(layout(ENTITIES), parts), Split.TEST)
    tables = np.array([np.asarray(part["entities"]).sum(axis=0) for part in parts])
    drawn = tables[stream.integers(0, 300, (400, 300))].sum(axis=1)
    resampled = {
        "f1": 2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2]),
        "precision": drawn[:, 0] / (drawn[:, 0] + drawn[:, 1]),
        "recall": drawn[:, 0] / (drawn[:, 0] + drawn[:, 2]),
    }
    for name, values in resampled.items():
        assert together[name].standard_error == pytest.approx(values.std(), rel=0.12)


def test_perfect_taggers_are_not_certain_and_sites_are_averaged() -> None:
    good = named("bio", ["B-person", "O"], ["B-person", "O"])
    bad = named("bio", ["O", "O"], ["B-person", "O"])
    perfect = count([good], scheme="bio", entities=ENTITIES)
    scores = score(perfect, Split.TEST)
    assert scores["f1"].mean == scores["macro_f1"].mean == scores["token_accuracy"].mean == 1
    assert min(scores[name].standard_error for name in ("f1", "precision", "recall", "macro_f1")) > 0.1
    without_entities = count([named("bio", ["O"], ["O"])], scheme="bio", entities=ENTITIES)
    failing = count([bad, bad, bad], scheme="bio", entities=ENTITIES)
    scores = score(summed(layout(ENTITIES), [perfect, failing, without_entities]), Split.TEST)
    assert scores["mean_site_f1"].mean == pytest.approx(0.5)
    assert scores["f1_spread"].mean == pytest.approx(0.5)
    assert set(scores) == set(METRICS)


def test_nothing_counted_and_nothing_finite() -> None:
    with pytest.raises(NothingCounted, match="validation"):
        score(count([], scheme="bio", entities=ENTITIES), Split.VALIDATION)
    lost = TaggedRow(np.full((2, 7), np.nan, np.float32), np.array([1, 0]))
    counters = count([lost], scheme="bio", entities=ENTITIES)
    layout(ENTITIES).encode(counters)
    assert score(counters, Split.TEST)["loss"].mean == pytest.approx(np.log(7))
