"""The ledger and the state folder: what must be true after a restart."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoglm_agent import ledger as ledger_module
from autoglm_agent.errors import AlreadyRunning, NotJoined, SessionReused, StateDamaged, UnknownStudy
from autoglm_agent.ledger import Ledger, StudyState
from autoglm_agent.state import StateFolder
from autoglm_core.codes import RefusalCode
from autoglm_core.privacy.errors import UnmaskIncomplete
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.site_events import RecordRelease
from autoglm_core.training_cost import NO_COST, TrainingCost

RELEASE = RecordRelease(("a", "b", "c"), ("m1", "m2"), Purpose.TRAIN, "11")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path)
    yield opened
    opened.close()


def offer(ledger: Ledger, study_hash: str = "h1") -> StudyState:
    return ledger.offer_study("s-1", study_hash=study_hash, body=b"{}", roster_hash="r").state


def test_a_session_id_is_good_for_one_vector_even_after_a_restart(ledger: Ledger, path: Path) -> None:
    ledger.use_session(b"1" * 32, study_id="s-1", vector="v")
    again = Ledger(path)
    assert again.session_used(b"1" * 32)
    with pytest.raises(SessionReused):
        again.use_session(b"1" * 32, study_id="s-1", vector="v")
    assert not again.session_used(b"2" * 32)
    again.close()


def test_a_release_is_found_by_each_of_its_models_and_only_for_its_purpose(ledger: Ledger, path: Path) -> None:
    ledger.record_release(RELEASE)
    again = Ledger(path)
    assert again.releases(["m2"], Purpose.TRAIN) == [RELEASE]
    assert again.releases(["m2"], Purpose.VALIDATE) == []
    assert again.releases(["m3"], Purpose.TRAIN) == []
    again.close()


def test_a_training_that_is_done_again_cost_what_it_cost_first_even_after_a_restart(ledger: Ledger, path: Path) -> None:
    first = TrainingCost(seconds=1.234567, modelled=0.1 + 0.2, memory_mb=300.25)
    assert ledger.first_cost("training", first) == first
    again = Ledger(path)
    assert again.first_cost("training", TrainingCost(seconds=9.0, measured=80.0)) == first
    assert again.first_cost("another", NO_COST) == NO_COST
    again.close()


@pytest.mark.parametrize("change", [{"survivors": ("a", "b")}, {"input_hash": "22"}], ids=str)
def test_the_first_release_of_a_model_stands(ledger: Ledger, change: dict[str, Any]) -> None:
    """Also where both sessions were admitted before either released."""
    ledger.record_release(RELEASE)
    ledger.record_release(RELEASE)
    with pytest.raises(UnmaskIncomplete):
        ledger.record_release(replace(RELEASE, models=("m0", "m1"), **change))
    assert ledger.releases(["m1"], Purpose.TRAIN) == [RELEASE]
    assert ledger.releases(["m0"], Purpose.TRAIN) == [], "nothing of what was refused is kept"


def test_an_approval_stands_for_the_same_study_and_lapses_with_another_hash(ledger: Ledger) -> None:
    assert offer(ledger) is StudyState.OFFERED
    ledger.decide("s-1", StudyState.APPROVED)
    assert offer(ledger) is StudyState.APPROVED
    assert offer(ledger, "h2") is StudyState.OFFERED


def test_a_decision_on_a_study_that_was_never_offered_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UnknownStudy):
        ledger.decide("s-9", StudyState.APPROVED)


def test_a_decision_keeps_its_reason(ledger: Ledger) -> None:
    offer(ledger)
    assert ledger.decide("s-1", StudyState.DENIED, RefusalCode.DATA_MISSING).code is RefusalCode.DATA_MISSING


def test_the_store_epoch_never_falls(ledger: Ledger) -> None:
    ledger.raise_store_epoch(7)
    ledger.raise_store_epoch(3)
    assert ledger.store_epoch() == 7


def test_an_older_roster_stays_accepted_for_its_studies(ledger: Ledger) -> None:
    for name in ("r1", "r2", "r3"):
        ledger.offer_roster(name, name.encode())
    ledger.accept_roster("r1")
    ledger.accept_roster("r2")
    latest, older, never = ledger.accepted_roster(), ledger.accepted_roster("r1"), ledger.accepted_roster("r3")
    assert latest is not None and latest.hash == "r2"
    assert older is not None and older.body == b"r1"
    assert never is None


def test_offers_that_nobody_answers_push_out_one_another_and_no_decision(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MOST_UNANSWERED", 8)
    offer(ledger)
    ledger.decide("s-1", StudyState.APPROVED)
    ledger.offer_roster("accepted", b"body")
    ledger.accept_roster("accepted")
    for number in range(20):
        ledger.offer_study(f"s{number}", study_hash="h", body=b"body", roster_hash="r")
        ledger.offer_roster(f"r{number}", b"body")
    assert [entry.study_id for entry in ledger.studies()] == ["s-1", *(f"s{number}" for number in range(12, 20))]
    assert [entry.hash for entry in ledger.rosters()] == ["accepted", *(f"r{number}" for number in range(12, 20))]


def test_secrets_are_for_this_user_alone_and_survive_a_second_prepare(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "deep" / "state")
    key, secret = state.prepare(), state.site_secret()
    assert state.prepare().public == key.public
    assert state.site_secret() == secret
    for name in ("site.key", "site.secret"):
        assert stat.S_IMODE((state.path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700


def test_a_folder_without_identity_has_not_joined(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.prepare()
    with pytest.raises(NotJoined):
        state.identity()


def test_a_cut_key_is_named_in_the_error(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.prepare()
    (tmp_path / "site.key").write_bytes(b"short")
    with pytest.raises(StateDamaged, match="site key"):
        state.site_key()


def test_two_daemons_cannot_share_a_folder(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    held = state.lock()
    with pytest.raises(AlreadyRunning):
        state.lock()
    held.release()
    state.lock().release()
