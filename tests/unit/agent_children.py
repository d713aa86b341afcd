"""How long a site's rows may take to be read."""

from __future__ import annotations

from pathlib import Path

from autoglm_agent.children import LOAD_SECONDS, load_seconds
from autoglm_workloads.child.errors import TaskTimedOut


def test_more_bytes_may_take_longer_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(bytes(2_000_000))
    assert load_seconds(tmp_path / "rows.csv") == LOAD_SECONDS + 20
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "more.csv").write_bytes(bytes(1_000_000))
    assert load_seconds(tmp_path) == LOAD_SECONDS + 30


def test_what_is_not_there_is_for_the_child_to_say(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert load_seconds(tmp_path / "absent") == load_seconds(tmp_path) == LOAD_SECONDS


def test_too_little_time_names_what_can_be_done() -> None:
    said = TaskTimedOut(task="load", seconds=320.0).message
    assert "load did not finish within 320 s" in said
    assert "less to read" in said
    assert "allow more time" not in said
