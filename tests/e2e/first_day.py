"""The first day of a consortium, typed as `README.md` tells it: every person in a folder of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.consortium import Consortium
from support.ward import FOUR_SITES as NAMES
from support.ward import study_file, ward


@pytest.mark.timeout(240)
def test_a_first_day_from_init_to_export(tmp_path: Path) -> None:
    with ward(tmp_path, *NAMES) as consortium:
        operator, mary = consortium.operator, consortium["st-mary"]

        token = operator.types("join-token", "st-mary", "--valid", "2h").strip()
        assert re.fullmatch(r"AGM1\.127\.0\.0\.1:\d+\.[0-9a-f]{64}\.[a-z2-7]{26}", token)
        assert "joined as st-mary-" in mary.types("join", token)
        assert "its file is there" in mary.types("data", "check", "ward")
        mary.daemon.start()
        consortium.join("va", "budapest", "zurich", "kit")
        assert all(name in operator.types("agents") for name in (*NAMES, "kit"))

        agree_on_the_roster(consortium)
        findings = mary.types("doctor")
        assert "BAD" not in findings
        assert {"clock", "coordinator", "disk", "training", "sandbox"} <= set(re.findall(r"ok +(\w+)", findings))

        study_file(operator.folder)
        assert "maximize accuracy" in operator.types("check", "ward.yaml")
        dry = operator.types("submit", "ward.yaml", "--dry-run")
        assert sorted(re.findall(r"^(\S+) +ok, would ask", dry, re.MULTILINE)) == sorted([*NAMES, "kit"])
        assert "no studies yet" in operator.types("status"), "a dry run leaves nothing behind"

        study = submit_and_approve(consortium)
        assert "ended: all trials of its budget were begun" in operator.types("watch", study).splitlines()[-1]
        look_at_the_result(consortium, study)
        assert "the chain holds" in mary.types("audit", "verify")
        assert "is stopped" in operator.types("stop", study)
        assert consortium.state_of(study) == "completed", "stopping what is over changes nothing"


def agree_on_the_roster(consortium: Consortium) -> None:
    proposed = consortium.operator.types("roster", "propose", *NAMES)
    accept = re.search(r"autoglm-agent (roster accept \w+)", proposed)
    assert accept is not None
    for name in NAMES:
        admin = consortium[name]
        consortium.wait_offered(admin, accept[1].split()[-1])
        shown = admin.types("roster", "show")
        # What the administrator reads over the phone is what the operator's screen shows.
        for fingerprint in re.findall(r"^ {2}([0-9a-f]{16}) ", shown, re.MULTILINE):
            assert fingerprint in proposed
        assert accept[1] in shown
        admin.types(*accept[1].split())
    assert "not yet" not in consortium.operator.types("roster", "show")


def submit_and_approve(consortium: Consortium) -> str:
    operator, mary = consortium.operator, consortium["st-mary"]
    submitted = operator.types("submit", "ward.yaml")
    study = submitted.split()[0]
    assert "awaiting approval (0/5)" in submitted
    assert operator.types("submit", "ward.yaml").split()[0] == study, "the same submission is the same study"
    consortium.decide("approve", study, "st-mary")
    assert "secure sum required" in mary.types("show", study)
    assert "expected" not in mary.types("data", "check", "ward")
    assert "awaiting approval (1/5)" in operator.types("status", study)
    look_at_the_protection(consortium, study)
    consortium.decide("approve", study, "kit")
    assert "device facts: signed by the device, sealed" in consortium["kit"].types("status")
    consortium.decide("approve", study, "va", "budapest", "zurich")
    return study


def look_at_the_protection(consortium: Consortium, study: str) -> None:
    """Operator and administrator read the same, before anything has left."""
    told = json.loads(consortium.operator.types("trials", study, "--json"))["protection"]
    for text in (consortium.operator.types("status", study), consortium["st-mary"].types("status")):
        assert f"secure sum: {told['suite']}; 4 sites, minimum cohort 3, threshold 3" in text
        assert f"roster: pinned, {told['roster_hash'][:16]}" in text
        assert "rings: 32 bits for a weight, 64 for a counter; clip 16" in text
        assert f"not protected: {', '.join(told['not_protected'])}" in text
    assert "each device's figures" in told["not_protected"]
    assert "keys that nobody compared" not in told["not_protected"]


def look_at_the_result(consortium: Consortium, study: str) -> None:
    operator = consortium.operator
    assert study in operator.types("status")
    assert "completed" in operator.types("trials", study)
    result = json.loads(operator.types("trials", study, "--json"))
    assert [trial["state"] for trial in result["trials"]] == ["completed", "completed"]
    assert "front on pi5" in operator.types("front", study)
    explain(consortium, study)
    operator.types("export", study, "--class", "pi5", "--out", "model")
    written = {path.name for path in (operator.folder / "model").iterdir()}
    assert {"model.onnx", "configuration.yaml", "README.md"} <= written


def explain(consortium: Consortium, study: str) -> None:
    operator = consortium.operator
    assert "how: the reference configuration" in operator.types("trials", study, "--why", "1")
    assert "100.00%" in operator.types("front", study, "--history")
    assert json.loads(operator.types("importance", study, "--json"))["classes"]["pi5"]["trials"] == 2
    assert "2 completed and feasible trials are too few" in operator.refused("importance", study)
    operator.types("export-optuna", study, "--out", "journal.log")
    assert f"{study}/pi5" in (operator.folder / "journal.log").read_text()
    assert "there is no trial 9" in operator.refused("trials", study, "--why", "9")
    for words in (("trials", "--why", "1"), ("importance",), ("export-optuna", "--out", "none.log")):
        assert "ward-ffffff" in operator.refused(words[0], "ward-ffffff", *words[1:])
