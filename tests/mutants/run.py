"""Puts the faults of mutants.toml into a copy of the packages, one after the other: each must turn its test red.

    python tests/mutants/run.py            # a table; exit status 1 where a fault goes unnoticed
    python tests/mutants/run.py --only "zero generator" "constant seed"

The working tree is only read. The same tests must be green on the copy as it is; a test that cannot be imported, or
fails by anything but an assertion, does not count as red; and the copy itself must be what is imported.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "core": "autoglm_core",
    "protos": "autoglm_protos",
    "compression": "autoglm_compression",
    "workloads": "autoglm_workloads",
    "coordinator": "autoglm_coordinator",
    "agent": "autoglm_agent",
    "sdk": "autoglm",
}
TEST_SECONDS = 120
COLUMN = 44
CAUGHT, NOT_NOTICED = "caught", "NOT NOTICED"
ASSERTIONS = ("AssertionError", "assert ", "Failed: DID NOT RAISE")
GUARD = f'''"""Sees to it that these tests are about the packages beside this file."""

import importlib
from pathlib import Path

HERE = Path(__file__).parent
for name in {sorted(PACKAGES.values())!r}:
    found = Path(importlib.import_module(name).__file__).resolve()
    assert found.is_relative_to(HERE), f"{{name}} is imported from {{found}}"

processes = importlib.import_module("autoglm.processes")
processes.PASSED_ON += ("PYTHONPATH",)  # the daemons that a test starts are of this copy as well
'''


@dataclass(frozen=True)
class Mutant:
    """One fault. `test`: the id of the test that must notice it."""

    name: str
    file: str
    old: str
    new: str
    test: str


class OutOfDate(Exception):
    """A mutant's text does not stand in its file exactly once any more."""


def mutants() -> list[Mutant]:
    """All of mutants.toml, in order."""
    return [Mutant(**entry) for entry in tomllib.loads((ROOT / "tests/mutants/mutants.toml").read_text())["mutant"]]


class Copy:
    """The packages and their tests in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        left_out = shutil.ignore_patterns("__pycache__", "*.pyi")
        for name in (*PACKAGES, "tests"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=left_out)
        for name in ("pyproject.toml", "examples"):
            source = ROOT / name
            shutil.copytree(source, self.folder / name) if source.is_dir() else shutil.copy(source, self.folder / name)
        (self.folder / "guard.py").write_text(GUARD)
        for name in PACKAGES:
            # By content, not by time: a file that changes twice within a second is compiled anew.
            compileall.compile_dir(self.folder / name, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The copy with one fault, for a while.

        Raises:
            OutOfDate: the code has changed; the mutant must follow it.
        """
        path = self.folder / mutant.file
        text = path.read_text()
        count = text.count(mutant.old)
        if count != 1:
            raise OutOfDate(f"{mutant.name}: its text stands {count} times in {mutant.file}; change mutants.toml")
        path.write_text(text.replace(mutant.old, mutant.new))
        try:
            yield
        finally:
            path.write_text(text)

    def run(self, tests: Sequence[str]) -> dict[str, str]:
        """What became of each test case that `tests` name: "green", or how it failed.

        Raises:
            RuntimeError: nothing ran: a test was not found, or the packages of the copy are not what is imported.
        """
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        plugins = ("guard", "no:cacheprovider", "no:hypothesispytest")
        chosen = [word for plugin in plugins for word in ("-p", plugin)]
        path = os.pathsep.join(str(self.folder / name) for name in ("", *PACKAGES))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *chosen, f"--junitxml={report}", *tests],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=TEST_SECONDS,
            check=False,
        )
        found = outcomes(report) if report.exists() else {}
        if not found:
            raise RuntimeError(f"no test ran:\n{done.stdout}{done.stderr}")
        return found


def outcomes(report: Path) -> dict[str, str]:
    """By test case "green", "red" for a failed assertion, or the first line of what else went wrong."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by pytest a moment ago
        name = f"{case.get('classname')}::{case.get('name')}"
        error, failure = case.find("error"), case.find("failure")
        said = error if error is not None else failure
        message = "" if said is None else str(said.get("message"))
        if said is None:
            found[name] = "green"
        elif error is None and message.startswith(ASSERTIONS):
            found[name] = "red"
        else:
            found[name] = message.splitlines()[0] if message else "failed"
    return found


def verdict(copy: Copy, mutant: Mutant) -> str:
    """`CAUGHT`, or why not."""
    with copy.mutated(mutant):
        found = copy.run([mutant.test])
    others = sorted(set(found.values()) - {"green", "red"})
    if others:
        return f"not by an assertion: {others[0]}"
    return CAUGHT if "red" in found.values() else NOT_NOTICED


def green(copy: Copy, chosen: Sequence[Mutant]) -> list[str]:
    """Tests of `chosen` that fail although nothing was changed."""
    found = copy.run(sorted({mutant.test for mutant in chosen}))
    return [name for name, outcome in found.items() if outcome != "green"]


def main() -> int:
    """Print the table; 1 where a fault goes unnoticed."""
    words = argparse.ArgumentParser(description="Put faults into a copy of the packages: a test must notice each.")
    words.add_argument("--only", nargs="*", metavar="NAME", help="these mutants alone")
    only = words.parse_args().only
    chosen = [mutant for mutant in mutants() if only is None or mutant.name in only]
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        broken = green(copy, chosen)
        if broken:
            sys.stderr.write(f"red without any fault: {', '.join(broken)}\n")
            return 1
        missed = [mutant.name for mutant in chosen if not _noticed(copy, mutant)]
    sys.stdout.write(f"{len(chosen) - len(missed)} of {len(chosen)} faults were noticed\n")
    return 1 if missed else 0


def _noticed(copy: Copy, mutant: Mutant) -> bool:
    said = verdict(copy, mutant)
    sys.stdout.write(f"{mutant.name:{COLUMN}}{said}\n{'':{COLUMN}}{mutant.test}\n")
    sys.stdout.flush()
    return said == CAUGHT


if __name__ == "__main__":
    sys.exit(main())
