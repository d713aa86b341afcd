"""A team's own host: a cohort of one and no secure sum, because the coordinator and the data have one owner."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoglm.processes import daemon_environment, program
from autoglm_core.canonical import Json
from support.simulations import SYNTHETIC
from support.text_cases import TEXT_CASES, TextCase, shelf
from support.text_models import on_shelf


def synthetic(folder: Path) -> dict[str, Any]:
    study: dict[str, Any] = yaml.safe_load(SYNTHETIC.read_text())
    study["simulate"]["sites"]["count"] = 1
    return study


def texts(folder: Path) -> dict[str, Any]:
    """LoRA on a tiny encoder."""
    case = TEXT_CASES["text-classification"]
    assert isinstance(case, TextCase)
    return {
        "name": "own",
        "workload": case.workload,
        "data": "texts",
        "model": {"name": case.model, "options": case.study.model_options},
        "schema": case.study.schema.to_json(),
        "search": {"tune": {"method": ["lora"], "learning_rate": [0.01, 0.02]}},
        "objectives": {"accuracy": "maximize", "latency_p95_ms": "minimize"},
        "rounds": 2,
        "device_classes": ["one-core"],
        "simulate": {
            "sites": {"files": {"own": str(case.write(folder, 1))}},
            "devices": {"one-core": {"cpus": 1}},
        },
    }


@pytest.mark.parametrize("declared", [synthetic, pytest.param(texts, marks=pytest.mark.long)])
@pytest.mark.timeout(150)
def test_one_site_without_a_secure_sum_runs_a_study_to_its_end(
    declared: Callable[[Path], Json], tmp_path: Path
) -> None:
    with on_shelf(shelf()):
        study = {
            **declared(tmp_path),
            "protection": {"secure_sum": "off", "minimum_cohort": 1},
            "budget": {"trials": 2},
        }
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(study))
        command = [program("autoglm"), "simulate", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "run")]
        done = subprocess.run(
            command, capture_output=True, text=True, env=daemon_environment(), timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_bytes())
    assert [trial["state"] for trial in result["trials"]] == ["completed", "completed"]
    assert result["protection"]["secure_sum"] is False, "and whoever reads the result is told"
