"""A study ends before its budget is gone and says why; a later one learns from it."""

from __future__ import annotations

import pytest

from autoglm.results import Result
from autoglm_core.reason import How
from autoglm_core.trial import StageName
from support.consortium import Consortium
from support.ward import FOUR_SITES, study_file

WIDE = ("[0.05, 0.1, 0.2, 0.4]", "loguniform(0.01, 1)")
LIMIT = 1_000_000
WARM_BATCH = 4
BELIEVING = (
    f"bayes, seed: 7, batch: {WARM_BATCH}, variants: 1, "
    "believed: [{tune: {learning_rate: 0.5}}, {tune: {learning_rate: 0.3}}]"
)


@pytest.fixture(scope="module")
def frugal(consortium: Consortium) -> str:
    """A study that ended because of its bytes."""
    limited = ("trials: 2", "trials: 900, bytes: 1MB")
    study_file(consortium.operator.folder, WIDE, limited, name="frugal")
    study = consortium.operator.types("submit", "frugal.yaml").split()[0]
    consortium.decide("approve", study, *FOUR_SITES, "kit")
    assert consortium.wait_state(study, "completed", "failed", "stopped", seconds=150) == "completed"
    return study


@pytest.mark.timeout(240)
def test_what_all_sites_send_and_receive_stays_within_the_budget(consortium: Consortium, frugal: str) -> None:
    result = Result.parse(consortium.client.result(frugal))
    assert result.stopped == "bytes"
    assert result.study_bytes is not None
    tunes = {
        stage.key: stage.bytes for trial in result.trials for stage in trial.stages if stage.name is StageName.TUNE
    }
    assert min(tunes.values()) > 0
    # The constants, the evaluations and the test of the picks are in the whole, and in no TUNE.
    # The last third is kept for TUNEs that have begun; nobody foresees the test of the picks.
    assert 0.5 * LIMIT < result.study_bytes < LIMIT + max(tunes.values())
    assert sum(tunes.values()) < result.study_bytes


def test_the_reason_is_told_in_words(consortium: Consortium, frugal: str) -> None:
    for verb in ("watch", "trials"):
        said = consortium.operator.types(verb, frugal)
        assert f"{frugal} ended: its bytes are spent" in said
        assert "B sent and received by its sites" in said


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_later_study_learns_from_it_and_ends_once_too_little_is_left_to_gain(
    consortium: Consortium, frugal: str
) -> None:
    """It asks for more than anything can promise, so the second proposal of a model ends it."""
    greedy = ("trials: 2", 'trials: 900, gain: "1000000% per hour"')
    study_file(consortium.operator.folder, WIDE, greedy, ("random, seed: 7, batch: 1", BELIEVING), name="later")
    study = consortium.operator.types("submit", "later.yaml", "--warm-start", frugal).split()[0]
    consortium.decide("approve", study, *FOUR_SITES, "kit")
    assert consortium.wait_state(study, "completed", "failed", "stopped", seconds=150) == "completed"
    result = Result.parse(consortium.client.result(study))
    assert result.stopped == "gain"
    told = [trial.reason.how for trial in result.trials if trial.reason is not None]
    assert told[:3] == [How.REFERENCE, How.BELIEVED, How.BELIEVED]
    assert told.count(How.MODEL) == WARM_BATCH
    assert [trial.configuration.tune["learning_rate"] for trial in result.trials[1:3]] == [0.5, 0.3]


@pytest.mark.timeout(240)
def test_one_of_another_space_does_not(consortium: Consortium, frugal: str) -> None:
    study_file(consortium.operator.folder, ("name: random", "name: bayes"), name="narrow")
    before = [study.id for study in consortium.client.studies()]
    said = consortium.operator.refused("submit", "narrow.yaml", "--warm-start", frugal)
    assert f"{frugal} searched another space (they differ in learning_rate)" in said
    assert [study.id for study in consortium.client.studies()] == before


@pytest.mark.timeout(240)
def test_nor_from_one_that_was_not_decided_yet(consortium: Consortium, frugal: str) -> None:
    study_file(consortium.operator.folder, WIDE, ("name: random", "name: bayes"), name="waiting")
    waiting = consortium.operator.types("submit", "waiting.yaml").split()[0]
    study_file(consortium.operator.folder, WIDE, ("name: random", "name: bayes"), name="hasty")
    said = consortium.operator.refused("submit", "hasty.yaml", "--warm-start", waiting)
    assert f"{waiting} is awaiting approval" in said
    consortium.operator.types("stop", waiting)
