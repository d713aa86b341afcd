"""A device whose answers are for another study, signed by another key, replayed or changed: none is believed.

What it measured reaches the coordinator sealed and is kept sealed; support/lying_device.py is its agent.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from autoglm.processes import Daemon
from support import lying_device
from support.cluster import COORDINATOR
from support.disturbed import Disturbed
from support.lying_device import LIES
from support.simulations import synthetic

DEVICE = "device-one-core"
REFUSALS = ["not-sealed-for-us", "bad-signature", "not-sealed-for-us", "not-sealed-for-us"]


def stored_bytes(state: Path) -> bytes:
    """Everything in the coordinator's folder: database, its log, artifacts, whatever else."""
    return b"".join(path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file())


@pytest.mark.timeout(240)
def test_no_wrong_answer_of_a_device_is_believed_and_none_is_kept_in_clear(deployment: Path, tmp_path: Path) -> None:
    with Disturbed(synthetic(trials=2), deployment) as cluster:
        config = cluster.folder.agent(DEVICE) / "agent.toml"
        command = [sys.executable, lying_device.__file__, str(tmp_path / "clear"), "run", "--config", str(config)]
        daemon = Daemon(DEVICE, command, log=cluster.folder.log("liar"))
        cluster.kill(DEVICE)
        daemon.start()
        try:
            cluster.wait_connected(DEVICE)
            study = cluster.submit()
            result = cluster.wait_for_result(study)
            said = re.findall(rf"device class one-core, {DEVICE}: (\S+)", cluster.output(COORDINATOR))
        finally:
            daemon.sweep()
    assert said == REFUSALS, "each is refused and named"
    assert {str(trial.state) for trial in result.trials} == {"completed"}
    measured = [json.loads(path.read_bytes()) for path in sorted((tmp_path / "clear").iterdir())]
    assert len(measured) > len(LIES)
    kept = stored_bytes(cluster.folder.coordinator)
    for facts in measured:
        for item in facts["items"].values():
            # Beside the figures that a trial shows: what only whoever opens the seal can read.
            assert repr(item["beside"]["cpu_ms"]["mean"]).encode() not in kept
    assert b"relative_p50" not in kept
    shown = {figure.mean for trial in result.trials for figure in trial.measurements["one-core"].values()}
    honest = measured[len(LIES)]["items"].values()
    assert {item["measurements"]["latency_p95_ms"]["mean"] for item in honest} <= shown, "the honest answer counts"
