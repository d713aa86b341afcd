"""What a device says of its processor."""

from __future__ import annotations

from pathlib import Path

from autoglm_agent.measure.machine import processor_model


def test_a_processor_is_named_by_its_model(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC 9654\nprocessor\t: 1\nmodel name\t: x\n")
    assert processor_model(tmp_path / "cpuinfo", tmp_path / "none") == "AMD EPYC 9654"


def test_a_board_is_named_by_its_device_tree(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("NVIDIA Jetson Orin Nano\0")
    assert processor_model(tmp_path / "none", tmp_path / "model") == "NVIDIA Jetson Orin Nano"


def test_a_machine_that_tells_nothing_is_unknown(tmp_path: Path) -> None:
    assert processor_model(tmp_path / "none", tmp_path / "none") == "unknown"
