"""What a training says of its decisions: to the log of its site, and to nobody else."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import numpy as np
import pytest

from autoglm_agent.training_room import TrainingRoom
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.training_cost import COST_LAYOUT, NO_COST
from autoglm_workloads.child.host import Reply
from autoglm_workloads.site_tasks import TABLE
from support.agent_contributions import Child, contribution, line_with_weights
from support.text_cases import TEXT_CASES, TextCase, shelf
from support.text_models import on_shelf

NOTE = "step 10: batch 2 -> 4 (noise-above-batch, at 24)"
COUNTERS = 2
TAIL = CounterLayout((CounterField("weight"), CounterField("rest", (COUNTERS + COST_LAYOUT.size + 1,))))


def test_every_decision_of_the_controller_is_told_with_its_reason(tmp_path: Path) -> None:
    case = TEXT_CASES["text-classification"]
    assert isinstance(case, TextCase)
    own: Values = {"controller": "noise-scale", "batch_size": 1, "accumulation": 2, "local_epochs": 3}
    configuration = Configuration({**case.tune, **own})
    with on_shelf(shelf()):
        side, study = case.model_side, case.study
        parameters = side.initial(study, configuration.tune, bytes(32)).tobytes()
        asked: Json = {"study": study.to_json(), "data": str(case.write(tmp_path, 1))}
        _, (constants,) = TABLE["constants"](asked, [])
        asked |= {"configuration": configuration.to_json(), "round": 1, "seed": bytes(32).hex(), "watts": 1.0}
        meta, (_, counted) = TABLE["train"](asked, [constants, parameters])
    counters = side.train_layout(study).decode(np.frombuffer(counted, "<i8"))
    fired = {name: int(times) for name, times in counters.items() if name.startswith("decisions/") and times}
    assert len(meta["notes"]) == sum(fired.values()) > 0
    for reason, times in fired.items():
        assert sum(reason.removeprefix("decisions/") in note for note in meta["notes"]) == times
    assert meta["notes"][0].startswith("step 10: batch 2 -> 4 (noise-above-batch, at ")


def test_notes_reach_the_log_with_study_and_round_and_leave_no_trace_in_the_vector(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = contribution(tmp_path, Purpose.TRAIN, "heart-1", counters=canonical_json(TAIL.to_json()))
    blobs = [memoryview(np.ones(5, "<f4").tobytes()), memoryview(np.ones(COUNTERS, "<i8").tobytes())]
    silent = {"weight": 3, "cost": NO_COST.to_json(), "notes": []}
    child = Child(Reply({**silent, "notes": [NOTE, "one\nline", "long" * 100]}, blobs))
    child.answer.set()
    with on_shelf(shelf()), caplog.at_level(logging.INFO, "autoglm_agent.contribution"):
        work = own.compute(line_with_weights(tmp_path), child, TrainingRoom(None))  # type: ignore[arg-type]
        reply = asyncio.run(work)
    assert caplog.messages == [f"study heart-1, round 4, {said}" for said in (NOTE, "one?line", "long" * 50)]
    told, quiet = own.vector(reply), own.vector(Reply(silent, blobs))
    assert (told.body.tobytes(), told.tail.tobytes()) == (quiet.body.tobytes(), quiet.tail.tobytes())
