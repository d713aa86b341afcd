"""The folder of a run, and what each simulated agent finds in its own."""

from __future__ import annotations

import fcntl
import os
import tomllib
from pathlib import Path

import pytest

from autoglm.answers import Pick
from autoglm.errors import FolderInUse, OtherStudyInFolder, TooFewCores
from autoglm.run_folder import RunFolder
from autoglm.simulated_agents import SimulatedDevice, TomlTables, choose_processors, prepare_device, toml_text


def test_a_folder_is_taken_again_by_the_same_simulation_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for _ in range(2):
        with folder.claim({"study": 1}):
            pass
    with pytest.raises(OtherStudyInFolder, match="--out"), folder.claim({"study": 2}):
        pass


def test_two_simulations_never_share_a_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claim({}), pytest.raises(FolderInUse), folder.claim({}):
        pass


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claim({}):
        pass
    with (folder.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_state_is_private(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claim({}):
        assert folder.state.stat().st_mode & 0o077 == 0


def test_the_plots_lie_beside_the_result_and_the_model_under_best(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_pick(
        "pi5", Pick(4, {"model.onnx": b"m", "README.md": b"r", "front.png": b"p", "hypervolume.png": b"h"})
    )
    assert (tmp_path / "front-pi5.png").read_bytes() == b"p"
    assert (tmp_path / "hypervolume-pi5.png").read_bytes() == b"h"
    assert sorted(path.name for path in (tmp_path / "best" / "pi5").iterdir()) == ["README.md", "model.onnx"]


def test_a_device_is_configured_with_its_class_and_processors(tmp_path: Path) -> None:
    config = prepare_device(SimulatedDevice("one-core", (0,)), RunFolder(tmp_path))
    value = tomllib.loads(config.read_text())
    assert value["device"] == {"class": "one-core", "cpus": [0], "watts": 5.0}
    assert value["policy"] == {"approval": "simulated"}


def test_what_join_wrote_into_agent_toml_is_kept(tmp_path: Path) -> None:
    device = SimulatedDevice("one-core", (0,))
    config = prepare_device(device, RunFolder(tmp_path))
    config.write_text(config.read_text() + '[coordinator]\naddress = "x:1"\n')
    again = prepare_device(device, RunFolder(tmp_path))
    assert tomllib.loads(again.read_text())["coordinator"] == {"address": "x:1"}


def test_processors_are_those_that_this_process_may_use() -> None:
    assert set(choose_processors("one", 1)) <= os.sched_getaffinity(0)
    with pytest.raises(TooFewCores, match=r"simulate\.devices"):
        choose_processors("many", 100_000)


@pytest.mark.parametrize("text", ['a "quoted" path', "back\\slash", "ümläut", "tab\there"])
def test_toml_reads_back_what_was_written(text: str) -> None:
    tables: TomlTables = {"": {"name": text}, 'data."odd name"': {"path": text, "cpus": [1, 2], "watts": 0.5}}
    value = tomllib.loads(toml_text(tables))
    assert value["name"] == text
    assert value["data"]["odd name"] == {"path": text, "cpus": [1, 2], "watts": 0.5}
