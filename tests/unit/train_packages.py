"""What the extra [train] installs, as the errors and the doctor know it."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from pathlib import Path

import pytest

from autoglm_agent.doctor import TEXT_PACKAGES, Finding, examine
from autoglm_workloads.child.errors import EXTRA_TRAIN
from support.agent_sites import make_site
from support.text_cases import model, shelf
from support.text_models import on_shelf

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
FRAMEWORKS = {"torch", "onnxruntime", "psutil", "huggingface_hub"}
"""Of the extra, what is looked at elsewhere, or is needed to fetch a model alone."""


def test_a_missing_package_of_the_extra_is_known_as_one() -> None:
    declared = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]["train"]
    assert {re.split(r"[<>=]", requirement)[0] for requirement in declared} == EXTRA_TRAIN


def test_the_doctor_looks_for_every_package_that_texts_need() -> None:
    assert set(TEXT_PACKAGES) == EXTRA_TRAIN - FRAMEWORKS


async def found(folder: Path) -> Finding:
    async for finding in examine(make_site(folder, "site-a").config):
        if finding.name == "models":
            return finding
    raise AssertionError("no finding of that name")


def test_the_doctor_names_what_is_missing_for_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model("bert")
    with on_shelf(shelf()):
        assert asyncio.run(found(tmp_path)).ok
        for name in ("peft", "py3langid"):
            monkeypatch.setitem(sys.modules, name, None)
        finding = asyncio.run(found(tmp_path / "again"))
    assert not finding.ok
    assert finding.text == "peft, py3langid not installed: pip install 'autoglm[train]'"
