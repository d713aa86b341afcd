"""A model of the size of a small language model, through everything that has a limit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autoglm.processes import daemon_environment, program
from autoglm.results import Result
from support.simulations import WIDE

BYTES = 100_000_000


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_model_of_a_hundred_megabytes_is_tuned_probed_evaluated_and_picked(tmp_path: Path) -> None:
    """Its vector passes masks, children and uploads; its graph the store, downloads, a lease and the archive."""
    folder = tmp_path / "run"
    done = subprocess.run(
        [program("autoglm"), "simulate", str(WIDE), "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env=daemon_environment(),
    )
    assert done.returncode == 0, done.stderr
    (trial,) = Result.load(folder / "result.json").trials
    assert str(trial.state) == "completed"
    assert (folder / "best" / "one-core" / "model.onnx").stat().st_size >= BYTES
