"""The table in README.md is what a security engineer reads: it names every attack here, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from autoglm_core.codes import RefusalCode

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORE = ROOT / "core" / "autoglm_core"
PACKAGES = {
    "core": CORE / "privacy",
    "agent": ROOT / "agent" / "autoglm_agent",
    "coordinator": ROOT / "coordinator" / "autoglm_coordinator",
}
CONTROL = "test_control_"


def rows() -> list[list[str]]:
    """The cells of every attack's row: attack, gain, refused by, test, codes."""
    lines = (HERE / "README.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [cells for cells in table if cells[0] != "attack"]


def in_folder() -> dict[str, list[str]]:
    """The tests of this folder but those here, by file."""
    found = {}
    for path in HERE.glob("*.py"):
        names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        found[path.name] = [name for name in names if name.startswith("test_")]
    del found[Path(__file__).name], found["conftest.py"]
    return found


def test_the_table_holds_every_attack_once() -> None:
    named = [cells[3].strip("`") for cells in rows()]
    assert len(named) == len(set(named))
    every = {f"{file}::{name}" for file, names in in_folder().items() for name in names}
    assert set(named) == {name for name in every if f"::{CONTROL}" not in name}
    assert len(named) >= 20


def test_every_file_of_attacks_has_a_control() -> None:
    """But `rosters.py`: its own sites approve and accept what is honest."""
    without = [file for file, names in in_folder().items() if not any(name.startswith(CONTROL) for name in names)]
    assert without == ["rosters.py"]


def test_the_table_names_modules_and_codes_that_there_are() -> None:
    sources = [path for package in (CORE, *PACKAGES.values()) for path in package.rglob("*.py")]
    declared = re.compile(r'^    code = "([a-z-]+)"', re.MULTILINE)
    known = {code for path in sources for code in declared.findall(path.read_text())}
    for _, _, refused_by, _, codes in rows():
        assert codes.startswith("none: ") or set(codes.split(", ")) <= known | set(RefusalCode), codes
        package = PACKAGES["core"]
        for word, name in re.findall(r"(core|agent|coordinator)|`([a-z_/]+)`", refused_by):
            package = PACKAGES.get(word, package)
            assert not name or (package / f"{name}.py").is_file(), refused_by
