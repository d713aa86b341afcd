"""The verbs that need a study's file and no deployment: `check` reads it, `simulate` runs it on this machine."""

from __future__ import annotations

import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm import simulate as simulation
from autoglm.ending import ending_text, energy, size
from autoglm.errors import ExtraMissing, OutOfRange
from autoglm.progress import duration, view_for
from autoglm.results import fronts_text, unit_of
from autoglm.tables import Cell, render_table
from autoglm_core.parameter import CategoricalParameter, FloatParameter, IntParameter, Parameter, TiedParameter
from autoglm_core.study import Budget, SamplerSpec, Study

if TYPE_CHECKING:
    from autoglm.study_file import StudyFile


def read_study(path: Path) -> StudyFile:
    """Read a study's file.

    Raises:
        ExtraMissing: the YAML reader, which only this needs, is not installed.
        StudyFileError, StudyFileMissing: the file cannot be used.
    """
    try:
        from autoglm.study_file import load_study
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        raise ExtraMissing(package="PyYAML", extra="operator") from error
    return load_study(path)


def check(options: Namespace) -> int:
    """Read a study as strictly as the coordinator does, and say what was understood."""
    print(study_text(read_study(options.study).study))
    return 0


def study_text(study: Study) -> str:
    """What a study asks for: its budget, its space, its objectives with their units."""
    size = study.space.size()
    rows: list[Sequence[Cell]] = [
        [part, parameter.name, _values(parameter)]
        for part, parameters in (("tune", study.space.tune), ("deploy", study.space.deploy))
        for parameter in parameters
    ]
    objectives = ", ".join(
        f"{objective.direction} {objective.metric}" + (f" [{unit}]" if (unit := unit_of(objective.metric)) else "")
        for objective in study.objectives
    )
    return "\n".join(
        (
            f"{study.name}  {study.workload}  {study.model}  hash {study.hash[:12]}",
            f"budget: {_budget(study.budget)}; {study.rounds} rounds",
            f"sampler: {_sampler(study.sampler)}",
            f"objectives: {objectives}",
            f"device classes: {', '.join(study.device_classes) or 'none'}",
            f"secure sum: {'required' if study.protection.secure_sum else 'off'}, "
            f"minimum cohort {study.protection.minimum_cohort}",
            f"space: {'continuous' if size is None else f'{size} configurations'}",
            render_table(["part", "parameter", "values"], rows),
        )
    )


def _budget(budget: Budget) -> str:
    """Each limit; the first that is reached ends the study."""
    limits = [
        f"{budget.trials} trials",
        "" if budget.wall is None else duration(budget.wall.total_seconds()),
        "" if budget.bytes is None else f"{size(budget.bytes)} sent and received by all sites",
        "" if budget.energy is None else f"{energy(budget.energy)} spent on training by all sites",
        "" if budget.gain is None else f"an expected gain under {budget.gain:g}% of the hypervolume per hour",
    ]
    return ", ".join(limit for limit in limits if limit)


def _sampler(sampler: SamplerSpec) -> str:
    believed = len(sampler.believed)
    parts = [
        sampler.name,
        f"first the reference and {believed} believed in" if believed else "",
        f"learns from {', '.join(sampler.warm_start)}" if sampler.warm_start else "",
    ]
    return "; ".join(part for part in parts if part)


def _values(parameter: Parameter) -> str:
    """What a parameter may be, as in a study's file."""
    match parameter:
        case FloatParameter() | IntParameter():
            values = f"{parameter.minimum} to {parameter.maximum}, {parameter.scale}"
        case CategoricalParameter():
            values = ", ".join(str(choice) for choice in parameter.choices)
        case TiedParameter():
            values = f"same as {parameter.same_as}"
    conditions = " and ".join(
        f"{condition.parameter} is {' or '.join(map(str, condition.values))}" for condition in parameter.when
    )
    return f"{values}; when {conditions}" if conditions else values


def simulate(options: Namespace) -> int:
    """Run a study here, with real daemons."""
    if options.trials is not None and options.trials < 1:
        raise OutOfRange(option="--trials", reason="must be at least 1")
    if options.seed is not None and options.seed < 0:
        raise OutOfRange(option="--seed", reason="must not be negative")
    wanted = simulation.simulation_of(read_study(options.study), seed=options.seed, trials=options.trials)
    root = options.out or simulation.default_folder(wanted.study, options.seed)
    view = view_for(sys.stdout, width=shutil.get_terminal_size().columns)
    with _termination_interrupts():
        try:
            result = simulation.run(wanted, root, view)
        except KeyboardInterrupt:
            print("\nstopped; the same command goes on from here", file=sys.stderr)
            raise
    print(f"\n{fronts_text(result)}\n\n{ending_text(result)}\n{root}/result.json")
    return 0


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does: the daemons drain."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
