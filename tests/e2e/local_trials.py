"""A team's own host: a cohort of one and no secure sum, because the coordinator and the data have one owner."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from autoglm.processes import daemon_environment, program
from support.simulations import SYNTHETIC


@pytest.mark.timeout(150)
def test_one_site_without_a_secure_sum_runs_a_study_to_its_end(tmp_path: Path) -> None:
    study = yaml.safe_load(SYNTHETIC.read_text())
    study["protection"] = {"secure_sum": "off", "minimum_cohort": 1}
    study["budget"], study["simulate"]["sites"]["count"] = {"trials": 2}, 1
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(study))
    command = [program("autoglm"), "simulate", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env=daemon_environment(), timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_bytes())
    assert [trial["state"] for trial in result["trials"]] == ["completed", "completed"]
    assert result["protection"]["secure_sum"] is False, "and whoever reads the result is told"
