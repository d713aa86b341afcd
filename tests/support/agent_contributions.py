"""A site's part of one session over a text study, with a stand-in for the child that would compute it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from autoglm_agent.admission import Admitted
from autoglm_agent.audit import AuditLog
from autoglm_agent.contribution import Contribution
from autoglm_agent.egress import Egress
from autoglm_agent.ledger import Ledger
from autoglm_agent.line import Line
from autoglm_agent.residuals import Residuals
from autoglm_core.configuration import Configuration, Values
from autoglm_core.measurement import Split
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.task import Manifest, ManifestItem
from autoglm_workloads.child.host import Reply
from autoglm_workloads.registry import load_workload
from support.secure_sum_wire import Deployment
from support.text_cases import TEXT_CASES, TextCase

WEIGHTS = bytes(16)
TUNE: Values = {"method": "lora", "batch_size": 16}


class Child:
    """In place of a process, which would have to train for seconds to show when it is asked."""

    def __init__(self, reply: Reply | None = None) -> None:
        self._reply = reply or Reply(meta={}, blobs=[])
        self.asked: list[str] = []
        self.begun, self.answer = asyncio.Event(), asyncio.Event()

    async def call(self, task: str, *_: Any, **__: Any) -> Reply:
        self.asked.append(task)
        self.begun.set()
        await self.answer.wait()
        return self._reply


def contribution(root: Path, purpose: Purpose, study_id: str, **spec: Any) -> Contribution:
    """To a session over a text study whose model's first weights are `WEIGHTS`."""
    case = TEXT_CASES["text-classification"]
    assert isinstance(case, TextCase)
    deployment = Deployment.of(3)
    item = ManifestItem("model", hashlib.sha256(WEIGHTS).hexdigest(), "parameters", Configuration(tune=TUNE))
    admitted = Admitted(
        deployment.spec(purpose=purpose, study_id=study_id, **spec),
        Manifest((item,), Split.TRAIN, (1,), "00"),
        case.study,
        load_workload("text-classification"),
        deployment.roster,
        (),
    )
    return Contribution(
        admitted,
        site_id="s00",
        secret=bytes(32),
        residuals=Residuals(root / "residuals"),
        ledger=Ledger(root / "ledger.sqlite"),
        data="texts",
        watts=1.0,
        seconds=60.0,
    )


def line_with_weights(root: Path) -> Line:
    """A line that has `WEIGHTS` already."""
    line = Line(Egress(AuditLog(root / "audit")))
    line._keep(hashlib.sha256(WEIGHTS).hexdigest(), memoryview(WEIGHTS))
    return line
