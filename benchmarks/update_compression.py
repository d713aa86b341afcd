"""What fewer bytes for an update cost in accuracy: rings of 16 bits and random-k, on heart and on digits.

One configuration is trained over the same rows, from the same initial weights and with the same batches in every row of
the table; what differs is the width of the updates. Rows "no feedback" leave out what the product always does where an
update loses something: they show what error feedback is worth. "x2", "x4": so many times the rounds of the study.

    heart   the four hospitals by the protocol of heart.py: logistic regression trained on 66 % of each hospital's rows,
            figures over the rest, 10 rounds; the example's reference configuration, not tuned anew for each width
    digits  the quickstart's network of width 16 over four sites, Dirichlet(0.5), 10 rounds; figures over the test rows

The sums are those of sessions of the secure sum, see compressed_rounds.py.

    python benchmarks/update_compression.py [--splits 20] [--seeds 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from compressed_rounds import Cohort, Width, paired
from heart_data import all_trained, read_hospital, write
from pooled import Pool

from autoglm.simulate import simulation_of
from autoglm.study_file import NaturalSplit, load_study
from autoglm_core.canonical import Json
from autoglm_core.configuration import Values
from autoglm_core.measurement import Split
from autoglm_core.schema import Column, ColumnKind, TableSchema

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DIGITS_TUNE: Values = {
    "learning_rate": 0.03,
    "batch_size": 32,
    "local_epochs": 2,
    "width": 16,
    "aggregator": "fedavg",
}
REFERENCE = "32 bits"
WIDTHS: Mapping[str, Width] = {
    REFERENCE: Width(),
    "16 bits": Width(16, clip=1.0),
    "16 bits, no feedback": Width(16, clip=1.0, feedback=False),
    "16 bits, clip 16": Width(16),
    "16 bits, clip 16, no feedback": Width(16, feedback=False),
    "16 bits, clip 0.01": Width(16, clip=0.01),
    "random-k 0.25": Width(random_k=0.25),
    "random-k 0.25, no feedback": Width(random_k=0.25, feedback=False),
    "random-k 0.1": Width(random_k=0.1),
    "random-k 0.1, no feedback": Width(random_k=0.1, feedback=False),
    "16 bits, random-k 0.25": Width(16, 0.25, clip=1.0),
    "16 bits, random-k 0.1": Width(16, 0.1, clip=1.0),
    "16 bits, random-k 0.25, x2": Width(16, 0.25, clip=1.0, rounds=2),
    "16 bits, random-k 0.1, x4": Width(16, 0.1, clip=1.0, rounds=4),
}
Case = tuple[Pool, Values]


class Run(NamedTuple):
    """One training: test `accuracy` in percent and `loss`; elements `clipped`; `largest` weighted delta of a site."""

    accuracy: float
    loss: float
    clipped: int
    largest: float
    dimension: int


def heart(seed: int, root: Path) -> Case:
    """The hospitals with random state `seed`."""
    loaded = load_study(EXAMPLES / "heart.yaml")
    assert loaded.simulate is not None
    assert isinstance(loaded.simulate.split, NaturalSplit)
    assert isinstance(loaded.study.schema, TableSchema)
    columns = (*loaded.study.schema.columns, Column("split", ColumnKind.SPLIT))
    study = replace(loaded.study, schema=replace(loaded.study.schema, columns=columns))
    files = []
    for name, path in loaded.simulate.split.files.items():
        hospital = read_hospital(name, path, loaded.study.schema)
        names = hospital.split(seed)
        files.append(root / f"{name}.csv")
        write(files[-1], hospital.rows, names, all_trained(names))
    return Pool.load(study, files), study.reference_configuration.tune


def digits(seed: int, root: Path) -> Case:
    """The quickstart's sites with `seed`: another split over the sites, and other test rows."""
    simulation = simulation_of(load_study(EXAMPLES / "quickstart.yaml"), seed=seed)
    files = []
    for site in simulation.sites():
        files.append(root / f"{site.name}.npz")
        np.savez(files[-1], **dict(site.arrays or {}))  # type: ignore[arg-type]  # the stub takes the names for its own options
    return Pool.load(simulation.study, files), DIGITS_TUNE


def measure(data: Callable[[int, Path], Case], repetitions: int) -> Json:
    """Every width over `repetitions` seeds: the table's rows by name."""
    found = [one_seed(data, seed) for seed in range(repetitions)]
    reference = [runs[REFERENCE] for runs in found]
    return {name: _row(width, [runs[name] for runs in found], reference) for name, width in WIDTHS.items()}


def one_seed(data: Callable[[int, Path], Case], seed: int) -> dict[str, Run]:
    """Every width over the same rows."""
    with TemporaryDirectory() as root:
        pool, tune = data(seed, Path(root))
    runs = {}
    for name, width in WIDTHS.items():
        trained = Cohort(pool, tune, width, seed=seed).train()
        score = pool.score(tune, trained.parameters, Split.TEST)
        accuracy, loss = 100 * score["accuracy"].mean, score["loss"].mean
        runs[name] = Run(accuracy, loss, trained.clipped, trained.largest, trained.parameters.size)
    return runs


def _row(width: Width, runs: Sequence[Run], reference: Sequence[Run]) -> Json:
    accuracy = [run.accuracy for run in runs]
    points = paired(accuracy, [run.accuracy for run in reference])
    losses = paired([run.loss for run in runs], [run.loss for run in reference])
    return {
        **asdict(width),
        "bytes_per_parameter": round(width.bytes_per_parameter(runs[0].dimension), 3),
        "accuracy": round(fmean(accuracy), 2),
        "accuracy_standard_error": round(stdev(accuracy) / len(accuracy) ** 0.5, 2),
        "points": round(points[0], 2),
        "points_standard_error": round(points[1], 2),
        "loss": round(fmean(run.loss for run in runs), 4),
        "loss_difference": round(losses[0], 4),
        "loss_difference_standard_error": round(losses[1], 4),
        "clipped": sum(run.clipped for run in runs),
        "largest_weighted_delta": round(max(run.largest for run in runs), 4),
        "dimension": runs[0].dimension,
    }


def table(title: str, rows: Json) -> str:
    """For people."""
    head = f"{title:32s}{'bytes':>8s}{'accuracy, %':>18s}{'points to 32 bits':>20s}{'loss':>9s}{'difference':>20s}"
    lines = [head]
    for name, row in rows.items():
        lines.append(
            f"{name:32s}{row['bytes_per_parameter']:8.2f}"
            f"{row['accuracy']:10.2f} ± {row['accuracy_standard_error']:5.2f}"
            f"{row['points']:+12.2f} ± {row['points_standard_error']:5.2f}"
            f"{row['loss']:9.4f}{row['loss_difference']:+11.4f} ± {row['loss_difference_standard_error']:.4f}"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure both and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=20, help="random states of heart")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of digits")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    start = time.monotonic()
    figures: Json = {}
    for name, data, repetitions in (("heart", heart, options.splits), ("digits", digits, options.seeds)):
        figures[name] = measure(data, repetitions)
        print(f"{table(f'{name}, bytes per parameter', figures[name])}\n", flush=True)
    figures["seconds"] = round(time.monotonic() - start, 1)
    repeated = f"{options.splits} splits of heart, {options.seeds} seeds of digits"
    print(f"± is one standard error; {repeated}; {figures['seconds']:.0f} s")
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
