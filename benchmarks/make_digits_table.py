"""Writes data/digits_table.csv: every configuration of the space in sampler_digits.py, trained and measured.

Each `tune` part is trained by federated rounds over the quickstart's four sites, in process, with the product's
quantized updates and aggregator; each `deploy` part is pruned, quantized and exported from the result, and every site
counts how many of its validation rows the ONNX model classifies rightly. Shapes are measured as an agent measures them,
with the trained model in interleaved bursts; variants of the same shape share their figures, as in a study. Energy is
the modelled meter's: processor seconds times 5 W.

    OMP_NUM_THREADS=1 python benchmarks/make_digits_table.py [--rounds 6] [--seconds 4]

It took 4 minutes of one processor, 15 by the clock on a busy machine, in two runs: widths 2 and 4 came after the rest.
Figures of another machine differ.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from compressed_rounds import Cohort, Width
from pooled import Pool
from sampler_digits import FIGURES, NAMES, SPACE, TABLE, point

from autoglm.simulate import simulation_of
from autoglm.study_file import load_study
from autoglm_agent.measure import latency
from autoglm_compression.models.session import open_session
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import Counters
from autoglm_core.measurement import Split
from autoglm_core.workload import Vector
from autoglm_workloads.child.energy import ModelledMeter

STUDY = Path(__file__).resolve().parents[1] / "examples" / "quickstart.yaml"
SEED = 1
WATTS = 5.0
TOGETHER = 24
"""Models in one lease."""


@dataclass(frozen=True)
class Variant:
    """An exported model and the share of validation rows that it gets right."""

    model: bytes
    accuracy: float


def main() -> None:
    """Train, export, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="of each training")
    parser.add_argument("--seconds", type=float, default=4.0, help="wall time of one lease")
    options = parser.parse_args()
    began = time.monotonic()
    pool = load_sites(options.rounds)
    variants: dict[Configuration, Variant] = {}
    weights: dict[str, Vector] = {}
    exported: dict[tuple[str, str], Variant] = {}
    for configuration in SPACE.grid():
        key = (configuration.tune_key, shape_of(pool, configuration))
        if configuration.tune_key not in weights:
            weights[configuration.tune_key] = train(pool, configuration.tune)
            print(f"{time.monotonic() - began:6.1f} s: {len(weights)} trained, {len(exported)} exported", flush=True)
        if key not in exported:
            exported[key] = export(pool, configuration, weights[configuration.tune_key])
        variants[configuration] = exported[key]
    figures = measure_shapes(pool, variants, options.seconds)
    write(
        TABLE,
        [
            [*point({**entry.tune, **entry.deploy}), f"{found.accuracy:.5f}", *figures[device_key(pool, entry)]]
            for entry, found in variants.items()
        ],
    )
    print(f"{len(variants)} points in {time.monotonic() - began:.0f} s: {TABLE}")


def load_sites(rounds: int) -> Pool:
    """The quickstart's four sites."""
    simulation = simulation_of(load_study(STUDY), seed=SEED)
    with TemporaryDirectory() as root:
        files = []
        for site in simulation.sites():
            files.append(Path(root) / f"{site.name}.npz")
            np.savez(files[-1], **dict(site.arrays or {}))  # type: ignore[arg-type]  # the stub takes the names for its own options
        return Pool.load(replace(simulation.study, rounds=rounds, rungs=()), files)


def train(pool: Pool, tune: Values) -> Vector:
    """Weights after the rounds of one TUNE."""
    return Cohort(pool, {**tune, "aggregator": "fedavg"}, Width(), seed=SEED).train().parameters


def export(pool: Pool, configuration: Configuration, weights: Vector) -> Variant:
    """The variant of `configuration`, with its accuracy over the validation rows of all sites."""
    side, site = pool.workload.model_side, pool.workload.site_side
    histograms = (
        calibrate(pool, configuration, weights) if configuration.deploy["quantization"] == "int8-static" else None
    )
    model = side.export(pool.study, configuration, weights, pool.constants, histograms).model
    counted = [site.evaluate_model(rows, pool.study, model, Split.VALIDATION) for rows in pool.sites]
    return Variant(model, side.score(summed(counted), Split.VALIDATION)["accuracy"].mean)


def calibrate(pool: Pool, configuration: Configuration, weights: Vector) -> Counters:
    """Activation histograms, summed over the sites."""
    watched = pool.workload.model_side.export_calibration(pool.study, configuration, weights, pool.constants)
    calibrate_site = pool.workload.site_side.calibrate
    return summed([calibrate_site(rows, pool.study, configuration, watched) for rows in pool.sites])


def summed(counted: Sequence[Counters]) -> Counters:
    """Counters of all sites together."""
    return {name: np.sum([np.asarray(counters[name]) for counters in counted], axis=0) for name in counted[0]}


def shape_of(pool: Pool, configuration: Configuration) -> str:
    """All that latency depends on but the threads."""
    return pool.workload.model_side.shape_key(pool.study, configuration)


def device_key(pool: Pool, configuration: Configuration) -> tuple[str, int]:
    """All that latency depends on."""
    return shape_of(pool, configuration), int(configuration.deploy["threads"])


def measure_shapes(
    pool: Pool, variants: Mapping[Configuration, Variant], seconds: float
) -> dict[tuple[str, int], tuple[str, ...]]:
    """Latency and energy by shape and threads, as written in the table."""
    models = {device_key(pool, configuration): variant.model for configuration, variant in variants.items()}
    row = np.ascontiguousarray(pool.workload.model_side.probe_inputs(pool.study, 1))
    # Neighbours in the order of the space differ little: every lease gets its share of all kinds.
    keys, leases = list(models), -(-len(models) // TOGETHER)
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for lease in range(leases):
        own = {str(number): keys[number] for number in range(lease, len(keys), leases)}
        timings = latency.measure(
            {name: inference(models[key], key[1], row) for name, key in own.items()},
            reference=str(lease),
            meter=ModelledMeter(WATTS),
            plan=latency.Plan(seconds=seconds),
        )
        for name, key in own.items():
            found[key] = (f"{timings[name].p50_ms.mean:.5f}", f"{timings[name].energy_mj.mean:.5f}")
    return found


def inference(model: bytes, threads: int, row: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> latency.Inference:
    """One inference of a single row."""
    session = open_session(model, threads=threads)
    feed = {session.get_inputs()[0].name: row}
    session.run(None, feed)
    return lambda: session.run(None, feed)


def write(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """The table, a line for each point."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*NAMES, *FIGURES])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
