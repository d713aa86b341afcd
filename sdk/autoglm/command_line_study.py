"""The verbs that need a study's file and no deployment: `check` reads it, `simulate` runs it on this machine."""

from __future__ import annotations

import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autoglm_core.study import Study

from autoglm import simulate as simulation
from autoglm.errors import OutOfRange
from autoglm.progress import duration, view_for
from autoglm.results import fronts_text, unit_of
from autoglm.study_file import load_study
from autoglm.tables import Cell, render_table
from autoglm_workloads.registry import load_workload


def check(options: Namespace) -> int:
    """Read a study as strictly as the coordinator does, and say what was understood."""
    study = load_study(options.study).study
    load_workload(study.workload).model_side.check(study)
    print(study_text(study))
    return 0


def study_text(study: Study) -> str:
    """What a study asks for: its budget, its space, its objectives with their units."""
    wall = "" if study.budget.wall is None else f", {duration(study.budget.wall.total_seconds())}"
    size = study.space.size()
    rows: list[Sequence[Cell]] = [
        [part, parameter.name, str(parameter)]
        for part, parameters in (("tune", study.space.tune), ("deploy", study.space.deploy))
        for parameter in parameters
    ]
    objectives = ", ".join(
        " ".join(filter(None, (objective.metric, unit_of(objective.metric), str(objective.direction))))
        for objective in study.objectives
    )
    return "\n".join(
        (
            f"{study.name}  {study.workload}  {study.model}  hash {study.hash[:12]}",
            f"budget: {study.budget.trials} trials{wall}; {study.rounds} rounds",
            f"objectives: {objectives}",
            f"device classes: {', '.join(study.device_classes) or 'none'}",
            f"secure sum: {'required' if study.protection.secure_sum else 'off'}, "
            f"minimum cohort {study.protection.minimum_cohort}",
            f"space: {'continuous' if size is None else f'{size} configurations'}",
            render_table(["part", "parameter", "values"], rows),
        )
    )


def simulate(options: Namespace) -> int:
    """Run a study here, with real daemons."""
    if options.trials is not None and options.trials < 1:
        raise OutOfRange(option="--trials", reason="must be at least 1")
    if options.seed is not None and options.seed < 0:
        raise OutOfRange(option="--seed", reason="must not be negative")
    wanted = simulation.simulation_of(load_study(options.study), seed=options.seed, trials=options.trials)
    root = options.out or simulation.default_folder(wanted.study, options.seed)
    view = view_for(sys.stdout, width=shutil.get_terminal_size().columns)
    with _termination_interrupts():
        try:
            result = simulation.run(wanted, root, view)
        except KeyboardInterrupt:
            print("\nstopped; the same command goes on from here", file=sys.stderr)
            raise
    seconds = "" if result.study_seconds is None else f" in {result.study_seconds:.1f} s"
    print(f"\n{fronts_text(result)}\n\n{result.study_id}: {len(result.trials)} trials{seconds}; {root}/result.json")
    return 0


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does: the daemons drain."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
