"""Does a shape's latency depend on its weights? PROBE rests on the answer being no.

For each variant of the quickstart's network the same shape is exported twice, with random and with trained weights,
and both are measured interleaved in one lease of a device's child, exactly as a device does it. The target is a
difference of at most 5 % in p50 for every variant.

    python benchmarks/probe.py [--seconds 2] [--widths 16 32 64] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from autoglm_compression.models.session import open_session
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement
from autoglm_core.parse_study import parse_study
from autoglm_core.study import Study
from autoglm_core.workload import LocalRound, Vector, Workload
from autoglm_workloads.child.host import ChildProcess
from autoglm_workloads.registry import load_workload

TARGET = 0.05
ROWS = 8
EPOCHS = 8
QUANTIZATIONS = ("none", "int8-dynamic", "int8-static")
PRUNINGS = (0.0, 0.5)


@dataclass(frozen=True)
class Pair:
    """One variant's figures. `difference`: trained over random p50, less 1; `standard_error`: of that, over blocks."""

    width: int
    prune: float
    quantization: str
    random_p50_ms: float
    trained_p50_ms: float
    difference: float
    standard_error: float


@dataclass(frozen=True)
class Bench:
    """The study, its workload and the rows of a site that holds all digits."""

    study: Study
    workload: Workload
    rows: Any

    def trained(self, configuration: Configuration, initial: Vector) -> Vector:
        """Weights after a few epochs over all training rows."""
        tune = {**configuration.tune, "local_epochs": EPOCHS}
        site = self.workload.site_side
        return site.train(
            self.rows, self.study, tune, initial, site.constants(self.rows, self.study), LocalRound(1, bytes(32))
        ).parameters

    def random_model(self, configuration: Configuration, weights: Vector) -> bytes:
        """What PROBE exports: random weights, made-up constants and histograms."""
        side = self.workload.model_side
        histograms = side.probe_histograms(self.study, configuration)
        return side.export(self.study, configuration, weights, side.probe_constants(self.study), histograms).model

    def trained_model(self, configuration: Configuration, weights: Vector) -> bytes:
        """What COMPRESS exports: trained weights, constants and histograms of the rows."""
        side, site = self.workload.model_side, self.workload.site_side
        constants = site.constants(self.rows, self.study)
        watched = side.export_calibration(self.study, configuration, weights, constants)
        histograms = site.calibrate(self.rows, self.study, configuration, watched)
        return side.export(self.study, configuration, weights, constants, histograms).model


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and the figures as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="wall time of one lease")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args(arguments)
    print("width  prune  quantization    random p50    trained p50    difference")
    pairs = []
    for pair in asyncio.run(_pairs(options.widths, options.seconds)):
        pairs.append(pair)
        print(
            f"{pair.width:5d}  {pair.prune:5.1f}  {pair.quantization:12s}  {pair.random_p50_ms:7.4f} ms  "
            f"{pair.trained_p50_ms:10.4f} ms  {pair.difference:+7.2%} ± {pair.standard_error:.2%}"
        )
    largest = max(abs(pair.difference) for pair in pairs)
    print(f"largest difference {largest:.2%}; target {TARGET:.0%}: {'met' if largest <= TARGET else 'MISSED'}")
    if options.json:
        print(
            json.dumps({"largest_difference": largest, "target": TARGET, "variants": [asdict(pair) for pair in pairs]})
        )


async def _pairs(widths: Sequence[int], seconds: float) -> list[Pair]:
    bench = _bench()
    models = list(_models(bench, widths))  # all exports are done before the first lease: latency needs a quiet host
    cpu = min(os.sched_getaffinity(0))
    inputs = np.asarray(bench.workload.model_side.probe_inputs(bench.study, ROWS), dtype=np.float32)
    async with ChildProcess(tasks="autoglm_agent.measure.tasks:TABLE", cpus=[cpu]) as child:
        return [await _pair(child, *entry, inputs=inputs, seconds=seconds) for entry in models]


def _bench() -> Bench:
    study = _study()
    workload = load_workload(study.workload)
    digits = load_digits()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.npz"
        np.savez(path, images=digits.images, labels=digits.target)
        return Bench(study, workload, workload.site_side.load(path, study))


def _models(bench: Bench, widths: Sequence[int]) -> Iterator[tuple[Configuration, bytes, bytes]]:
    for width in widths:
        tune = {"width": width, "learning_rate": 0.05, "batch_size": 32}
        initial = bench.workload.model_side.initial(bench.study, tune, bytes(32))
        trained = bench.trained(Configuration(tune=tune), initial)
        for prune, quantization in product(PRUNINGS, QUANTIZATIONS):
            variant = Configuration(tune=tune, deploy={"prune": prune, "quantization": quantization, "threads": 1})
            yield variant, bench.random_model(variant, initial), bench.trained_model(variant, trained)


async def _pair(
    child: ChildProcess, variant: Configuration, random: bytes, trained: bytes, *, inputs: Vector, seconds: float
) -> Pair:
    blobs = {"inputs": inputs.tobytes()}
    items = []
    for key, model in (("random", random), ("trained", trained)):
        outputs = _outputs(model, inputs)
        blobs |= {key: model, f"{key}-outputs": outputs.tobytes()}
        items.append(_item(key, inputs, outputs))
    meta = {"items": items, "reference": items[0], "seconds": seconds, "watts": 5.0, "artifacts": list(blobs)}
    reply = await child.call("measure", meta, list(blobs.values()), timeout=300)
    random_p50, trained_p50 = (
        Measurement.from_json(reply.meta["items"][key]["measurements"]["latency_p50_ms"]).mean
        for key in ("random", "trained")
    )
    ratio = Measurement.from_json(reply.meta["items"]["trained"]["beside"]["relative_p50"])
    return Pair(
        width=int(variant.tune["width"]),
        prune=float(variant.deploy["prune"]),
        quantization=str(variant.deploy["quantization"]),
        random_p50_ms=random_p50,
        trained_p50_ms=trained_p50,
        difference=ratio.mean - 1,
        standard_error=ratio.standard_error,
    )


def _item(key: str, inputs: Vector, outputs: Vector) -> Json:
    shapes = {"input_type": "float32", "input_shape": list(inputs.shape), "output_shape": list(outputs.shape)}
    return {"key": key, "threads": 1, "artifact": key, "inputs": "inputs", "outputs": f"{key}-outputs", **shapes}


def _outputs(model: bytes, inputs: Vector) -> Vector:
    session = open_session(model)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: inputs})[0], dtype=np.float32)


def _study() -> Study:
    classes = [str(digit) for digit in range(10)]
    return parse_study(
        {
            "name": "probe",
            "workload": "image-classification",
            "data": "digits",
            "model": "small-cnn",
            "schema": {"form": "image", "height": 8, "width": 8, "channels": 1, "scale": 16, "classes": classes},
            "search": {
                "tune": {"width": {"type": "int", "min": 1, "max": 1024}},
                "deploy": {"prune": "uniform(0, 0.6)", "quantization": list(QUANTIZATIONS), "threads": [1, 2]},
            },
            "objectives": {"accuracy": "maximize", "latency_p95_ms": "minimize"},
            "rounds": 1,
            "budget": {"trials": 1},
            "device_classes": ["this"],
        }
    )


if __name__ == "__main__":
    main()
