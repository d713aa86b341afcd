"""Nothing runs at a site without its administrator's yes, and nothing goes on after its no."""

from __future__ import annotations

import json

import pytest

from autoglm.processes import wait_until
from autoglm.results import Result
from support.consortium import Administrator, Consortium
from support.ward import FOUR_SITES, study_file

LONG = (("trials: 2", "trials: 12"), ("[8]", "[4, 6, 8]"), ("rounds: 2", "rounds: 8\nrungs: [8]"))


def left(admin: Administrator, study: str) -> list[str]:
    """Kinds of the messages about `study` that left this site, by its own record."""
    entries = (json.loads(line) for line in admin.state.audit.read_text().splitlines())
    return [entry["kind"] for entry in entries if entry["study"] == study]


def test_without_every_approval_nothing_runs(consortium: Consortium) -> None:
    study_file(consortium.operator.folder, name="unapproved")
    study = consortium.operator.types("submit", "unapproved.yaml").split()[0]
    consortium.decide("approve", study, "st-mary", "va", "budapest", "kit")
    said = consortium.operator.types("status", study)
    assert "awaiting approval (4/5)" in said
    assert "zurich" in said, "who is waited for is named"
    assert Result.parse(consortium.client.result(study)).trials == ()
    assert left(consortium["st-mary"], study) == ["study-decision"]
    assert left(consortium["zurich"], study) == []
    consortium.operator.types("stop", study)
    assert consortium.state_of(study) == "stopped"


def test_a_denied_study_fails_and_names_who_said_no(consortium: Consortium) -> None:
    study_file(consortium.operator.folder, name="denied")
    study = consortium.operator.types("submit", "denied.yaml").split()[0]
    consortium.decide("approve", study, "st-mary", "budapest", "kit")
    consortium.decide("deny", study, "va", "zurich")
    assert consortium.wait_state(study, "failed") == "failed"
    said = consortium.operator.refused("watch", study)
    assert "2 sites approve and the study needs 3" in said
    assert "va: denied" in said
    assert "zurich: denied" in said
    assert all(messages(consortium[name], study) == [] for name in FOUR_SITES)


@pytest.mark.timeout(240)
def test_a_withdrawn_approval_ends_a_sites_part_at_once(consortium: Consortium) -> None:
    study_file(consortium.operator.folder, *LONG, name="withdrawn")
    study = consortium.operator.types("submit", "withdrawn.yaml").split()[0]
    consortium.decide("approve", study, *FOUR_SITES, "kit")
    wait_until(lambda: bool(trials_final(consortium, study)), what="a first trial", seconds=60)
    budapest = consortium["budapest"]
    assert "the coordinator was told" in budapest.types("withdraw", study)
    sent, before = len(messages(budapest, study)), trials_final(consortium, study)
    wait_until(lambda: trials_final(consortium, study) > before, what="a trial without budapest", seconds=60)
    consortium.coordinator.kill()
    consortium.start_coordinator()
    wait_until(consortium.answers, what="the coordinator", seconds=20)
    consortium.wait_connected(*FOUR_SITES, "kit")
    kept = trials_final(consortium, study)
    wait_until(lambda: trials_final(consortium, study) > kept, what="a trial after the restart", seconds=60)
    assert len(messages(budapest, study)) <= sent + 1
    assert "withdrawn" in budapest.types("studies")
    assert "budapest: refused: withdrawn" in consortium.operator.types("status", study)
    consortium.decide("withdraw", study, "va")
    assert consortium.wait_state(study, "failed", "completed", "stopped") == "failed"
    said = consortium.operator.refused("watch", study)
    assert "2 sites approve and the study needs 3" in said
    assert "va: withdrawn" in said
    result = Result.parse(consortium.client.result(study))
    assert all(trial.state.final for trial in result.trials)
    completed = [trial for trial in result.trials if str(trial.state) == "completed"]
    assert len(completed) >= before, "what was completed stays"


def messages(admin: Administrator, study: str) -> list[str]:
    return [kind for kind in left(admin, study) if kind.startswith("session-") or kind == "masked-vector"]


def trials_final(consortium: Consortium, study: str) -> int:
    return sum(trial.state.final for trial in Result.parse(consortium.client.result(study)).trials)
