"""The sampler's task in a fresh process, as a coordinator that was started again would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from autoglm_core.canonical import Json
from autoglm_core.study import Study
from autoglm_core.trial import Trial

PROGRAM = """
import json, sys
from autoglm_coordinator.sampler.tasks import TABLE
print(json.dumps([TABLE["suggest"](message, [])[0] for message in json.load(sys.stdin)]))
"""


def message(study: Study, trials: Sequence[Trial], n: int) -> Json:
    """What the coordinator sends."""
    return {"study": study.to_json(), "trials": [trial.to_json() for trial in trials], "n": n, "earlier": []}


def answers_elsewhere(messages: Sequence[Json], *, hash_seed: int) -> list[Json]:
    """The answers of another process, in which sets and hashes of texts come in another order."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(messages),
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    answers: list[Json] = json.loads(done.stdout)
    return answers
