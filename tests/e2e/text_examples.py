"""Each text study of examples/ as it stands, on its real texts and model, but for one round and one trial."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from autoglm.processes import program
from autoglm_core.canonical import Json
from autoglm_workloads.models.shelf import ShelvedModel
from support.text_models import minilm, on_shelf

PROJECT = Path(__file__).parents[2]
DATA = PROJECT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not DATA.exists(), reason="the real texts are not beside this checkout"),
]


def tiny_glm4(folder: Path) -> ShelvedModel:
    """As examples/causal-lm.yaml says to make it."""
    made = [
        program("autoglm-coordinator"),
        "models",
        "create",
        "glm4",
        "--hidden",
        "128",
        "--layers",
        "2",
        "--inner",
        "256",
    ]
    environment = {**os.environ, "AUTOGLM_MODELS": str(folder)}
    command = [*made, "--positions", "256", "--tied", "--seed", "1"]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with on_shelf(folder):
        from autoglm_workloads.models.shelf import shelved

        (model,) = shelved()
    return model


EXAMPLES: dict[str, tuple[Callable[[Path], ShelvedModel], str]] = {
    "text-classification": (minilm, "accuracy"),
    "token-classification": (minilm, "f1"),
    "multi-task": (minilm, "intent_accuracy"),
    "causal-lm": (tiny_glm4, "perplexity"),
    "text-generation": (tiny_glm4, "exact_match"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_to_its_end(name: str, tmp_path: Path) -> None:
    base, metric = EXAMPLES[name]
    model = base(tmp_path / "shelf")
    declared: Json = yaml.safe_load((PROJECT / "examples" / f"{name}.yaml").read_text())
    assert declared["model"]["options"]["content"] == model.content, "what the example's head says to put on the shelf"
    declared |= {"rounds": 1, "budget": {"trials": 1}}
    sites = declared["simulate"]["sites"]
    sites["data"] = absolute(sites["data"])
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(declared))
    command = [program("autoglm"), "simulate", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "run")]
    with on_shelf(tmp_path / "shelf"):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_bytes())
    assert [trial["state"] for trial in result["trials"]] == ["completed"]
    (picks,) = result["fronts"].values()
    assert all(f"test_{metric}" in pick for pick in picks)


def absolute(data: object) -> object:
    """Paths in a study are relative to its folder, which is another one here."""
    if isinstance(data, dict):
        return {part: absolute(path) for part, path in data.items()}
    return str((PROJECT / "examples" / str(data)).resolve())
