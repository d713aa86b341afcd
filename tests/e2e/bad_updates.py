"""An update that left the finite numbers stays at its site; its trial fails with a reason, and the study goes on."""

from __future__ import annotations

import json
import re

import pytest

from autoglm.results import Result
from support.consortium import Consortium
from support.ward import FOUR_SITES, study_file

DIVERGING = (
    ("[0.05, 0.1, 0.2, 0.4]", "[1.0e+37, 0.1]"),
    ("name: random, seed: 7", "name: grid"),
)


@pytest.mark.timeout(180)
def test_a_diverging_trial_fails_typed_and_the_others_complete(consortium: Consortium) -> None:
    operator = consortium.operator
    study_file(operator.folder, *DIVERGING, name="diverging")
    study = operator.types("submit", "diverging.yaml").split()[0]
    consortium.decide("approve", study, *FOUR_SITES, "kit")
    assert consortium.wait_state(study, "completed", "failed") == "completed"

    result = Result.parse(consortium.client.result(study))
    trials = {trial.configuration.tune["learning_rate"]: trial for trial in result.trials}
    assert str(trials[0.1].state) == "completed"
    failed = trials[1e37]
    assert str(failed.state) == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "session-failed"
    assert re.search(r"(diverged|non-finite) x\d", str(failed.error["declined"]))
    assert re.search(r"diverged|non-finite", operator.types("trials", study))
    gave_up = [task for name in FOUR_SITES for task in tasks(consortium, name, study) if "task-failed" in task]
    assert gave_up
    assert not any("masked-vector" in task for task in gave_up), "nothing was masked, and nothing left"
    assert len(gave_up) <= len(FOUR_SITES), "the same training would diverge again: it is not tried again"


def tasks(consortium: Consortium, name: str, study: str) -> list[str]:
    """For each task of `study` that a site took, the kinds of the messages that left it."""
    entries = [json.loads(line) for line in consortium[name].state.audit.read_text().splitlines()]
    return " ".join(entry["kind"] for entry in entries if entry["study"] == study).split("task-accepted")[1:]
