"""A study's file: the study itself, and what `autoglm simulate` runs it on.

Every error says the line, the key, the reason and, for a name, the nearest valid one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoglm.simulate_spec import SimulateSpec, parse_simulate
from autoglm.site_splits import DirichletSplit, NaturalSplit
from autoglm.strict_yaml import YamlError, read_yaml
from autoglm_core.errors import InvalidInput, NotFound
from autoglm_core.parse_study import WorkloadFacts, parse_study
from autoglm_core.section import as_mapping, as_text
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError, printed
from autoglm_core.workload import Workload
from autoglm_workloads.errors import UnknownWorkload
from autoglm_workloads.fitness import check_aggregation
from autoglm_workloads.registry import load_workload

__all__ = ["DirichletSplit", "NaturalSplit", "SimulateSpec", "StudyFile", "StudyFileError", "load_study"]

LoadWorkload = Callable[[str], Workload]


class StudyFileMissing(NotFound):
    """There is no such file, or it cannot be read."""

    code = "study-file-missing"

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"{file}: cannot be read: {reason}", file=file, reason=reason)


class StudyFileError(InvalidInput):
    """`file`, `line`: where; `path`: the key; `nearest`: the valid name that was probably meant."""

    code = "bad-study-file"

    def __init__(self, *, file: str, line: int, path: str, reason: str, nearest: str | None = None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(
            f"{file}:{line}: {path}: {reason}{hint}", file=file, line=line, path=path, reason=reason, nearest=nearest
        )


@dataclass(frozen=True)
class StudyFile:
    """What a file declares; `simulate` is None where it has no such section."""

    study: Study
    simulate: SimulateSpec | None = None


def load_study(path: Path, *, workloads: LoadWorkload = load_workload) -> StudyFile:
    """Read and check the study at `path`; paths in it are relative to its folder.

    `workloads` finds a workload by name; the study is checked against its version, its metrics and its own rules.

    Raises:
        StudyFileMissing: `path` is no readable file.
        StudyFileError: anything in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyFileMissing(file=path.name, reason=error.strerror or "no reason given") from None
    except UnicodeDecodeError:
        raise StudyFileMissing(file=path.name, reason="it is not UTF-8") from None
    return parse_study_text(text, file=path.name, folder=path.parent, workloads=workloads)


def parse_study_text(text: str, *, file: str, folder: Path, workloads: LoadWorkload = load_workload) -> StudyFile:
    """As `load_study`, from `text`; `file` stands in errors."""
    try:
        document = read_yaml(text)
    except YamlError as error:
        raise _located(error, file, error.line) from None
    try:
        return _parse(as_mapping(document.value, ()), folder, workloads)
    except StudyError as error:
        raise _located(error, file, document.line(error.place)) from None


def _located(error: StudyError, file: str, line: int) -> StudyFileError:
    return StudyFileError(file=file, line=line, path=printed(error.place), reason=error.reason, nearest=error.nearest)


def _parse(entries: Mapping[str, object], folder: Path, workloads: LoadWorkload) -> StudyFile:
    declared = {key: value for key, value in entries.items() if key != "simulate"}
    workload = _workload(declared, workloads)
    facts = WorkloadFacts() if workload is None else _facts(workload)
    study = parse_study(declared, facts)
    if workload is not None:
        workload.model_side.check(study)
        check_aggregation(study)
    simulate = None
    if entries.get("simulate") is not None:
        simulate = parse_simulate(entries["simulate"], study, folder)
    return StudyFile(study, simulate)


def _workload(declared: Mapping[str, object], workloads: LoadWorkload) -> Workload | None:
    """The declared workload; None where none is declared, which the parser reports in its turn."""
    if declared.get("workload") is None:
        return None
    try:
        return workloads(as_text(declared["workload"], ("workload",)))
    except UnknownWorkload as error:
        near = error.data.get("nearest")
        reason = f"no workload of that name; there are {error.data.get('known')}"
        raise StudyError(("workload",), reason, nearest=None if near is None else str(near)) from None


def _facts(workload: Workload) -> WorkloadFacts:
    return WorkloadFacts(version=workload.version, metrics=workload.model_side.metrics)
