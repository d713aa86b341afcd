"""The task table of a device's child.

`measure` takes the manifest of a PROBE task as the coordinator wrote it, and beside it what only the agent knows:

    items: [{key, threads, artifact, inputs, input_type, input_shape, outputs, output_shape}]
    reference: one such item
    seconds: wall time
    artifacts: [name of each blob, in order]
    watts: of one busy core
    meter: name, or null for the best
    repeat: loads per memory figure, 3 where absent

`artifact`, `inputs`, `outputs` name blobs (by SHA-256): the ONNX model, inputs of `input_type` (float32, or int64 for
token ids) and `input_shape` (rows, ...), and the reference runtime's float32 outputs of `output_shape` (rows, ...).
Answer:

    items: {key: {measurements: {metric: Measurement}, beside: {name: Measurement},
                  agreement: {max_abs_difference, rows}}}
    reference: the same for the reference item
    facts: see `machine`

with the metrics latency_p50_ms, latency_p95_ms, energy_mj and memory_mb, and beside them, for whoever doubts a figure,
cpu_ms (per inference, all threads) and relative_p50 (p50 over the reference's).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoglm_agent.measure import latency
from autoglm_agent.measure.errors import BadMeasureTask, BadOutputs
from autoglm_agent.measure.machine import machine_facts
from autoglm_agent.measure.memory import growth
from autoglm_compression.models.session import Inputs, open_session
from autoglm_core.canonical import Json
from autoglm_core.measurement import Measurement, measurements_to_json
from autoglm_workloads.child.energy import open_meter
from autoglm_workloads.child.model_bytes import refuse_external_data

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = NDArray[np.float32]
INPUT_TYPES: Mapping[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "int64": np.dtype("<i8")}
MAX_ITEMS = 64
MAX_SECONDS = 60.0


@dataclass(frozen=True)
class Candidate:
    """A model to measure. `inputs` `(rows, ...)`; `expected` `(rows, ...)`, the reference runtime's outputs."""

    key: str
    threads: int
    model: bytes
    inputs: Inputs
    expected: Floats

    def open(self) -> InferenceSession:
        """A session that has run once."""
        session = open_session(self.model, threads=self.threads)
        session.run(None, {session.get_inputs()[0].name: self.inputs[:1]})
        return session


def measure(meta: Json, blobs: Sequence[bytes]) -> tuple[Json, list[bytes]]:
    """Measure the items beside the reference; see the module."""
    reference, candidates = _candidates(meta, blobs)
    watts, meter = float(meta["watts"]), meta.get("meter")
    memory = {key: growth(candidate.open, repeat=int(meta.get("repeat", 3))) for key, candidate in candidates.items()}
    sessions = {key: candidate.open() for key, candidate in candidates.items()}
    timings = latency.measure(
        {key: _inference(session, candidates[key].inputs) for key, session in sessions.items()},
        reference=reference,
        meter=open_meter(watts=watts, name=meter),
        plan=latency.Plan(seconds=float(meta["seconds"])),
    )
    entries = {
        key: {
            "measurements": measurements_to_json({**_metrics(timings[key]), "memory_mb": memory[key]}),
            "beside": measurements_to_json(_beside(timings[key])),
            "agreement": _agreement(sessions[key], candidate),
        }
        for key, candidate in candidates.items()
    }
    items = {item["key"]: entries[item["key"]] for item in meta["items"]}
    return {"items": items, "reference": entries[reference], "facts": machine_facts(watts=watts, meter=meter)}, []


def facts(meta: Json, blobs: Sequence[bytes]) -> tuple[Json, list[bytes]]:
    """Facts of this machine for `doctor`; `meta`: watts, meter (name or null)."""
    return machine_facts(watts=float(meta["watts"]), meter=meta.get("meter")), []


def _metrics(timing: latency.Timing) -> Mapping[str, Measurement]:
    return {
        "latency_p50_ms": timing.p50_ms,
        "latency_p95_ms": timing.p95_ms,
        "energy_mj": timing.energy_mj,
    }


def _beside(timing: latency.Timing) -> Mapping[str, Measurement]:
    return {"cpu_ms": timing.cpu_ms, "relative_p50": timing.relative_p50}


def _inference(session: InferenceSession, inputs: Inputs) -> Callable[[], object]:
    """One inference at batch 1; always the same row, because latency must not depend on data."""
    run, feed = session.run, {session.get_inputs()[0].name: np.ascontiguousarray(inputs[:1])}
    return lambda: run(None, feed)


def _agreement(session: InferenceSession, candidate: Candidate) -> Json:
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: candidate.inputs[row : row + 1]})[0] for row in range(len(candidate.inputs))]
    outputs = np.concatenate(rows)
    if outputs.shape != candidate.expected.shape:
        raise BadOutputs(key=candidate.key, reason=f"expected {candidate.expected.shape}, received {outputs.shape}")
    if not np.isfinite(outputs).all():
        raise BadOutputs(key=candidate.key, reason="not finite")
    difference = float(np.abs(outputs.astype(np.float64) - candidate.expected).max())
    return {"max_abs_difference": difference, "rows": len(outputs)}


def _candidates(meta: Json, blobs: Sequence[bytes]) -> tuple[str, dict[str, Candidate]]:
    """The reference's key, and every candidate by key."""
    try:
        by_name = dict(zip(meta["artifacts"], blobs, strict=True))
        items = [meta["reference"], *meta["items"]]
        if len(items) > MAX_ITEMS or not 0 < meta["seconds"] <= MAX_SECONDS:
            raise BadMeasureTask(reason=f"more than {MAX_ITEMS} models or {MAX_SECONDS:g} seconds")
        candidates = [_candidate(item, by_name) for item in items]
    except (KeyError, TypeError, ValueError) as error:
        raise BadMeasureTask(reason=f"{type(error).__name__} in its description") from error
    return candidates[0].key, {candidate.key: candidate for candidate in candidates}


def _candidate(item: Json, blobs: Mapping[str, bytes]) -> Candidate:
    model = blobs[item["artifact"]]
    refuse_external_data(model)
    threads = int(item["threads"])
    if not 1 <= threads <= 256:
        raise BadMeasureTask(reason=f"{threads} threads")
    return Candidate(
        key=str(item["key"]),
        threads=threads,
        model=model,
        inputs=_array(blobs[item["inputs"]], item["input_shape"], INPUT_TYPES[item["input_type"]]),
        expected=_array(blobs[item["outputs"]], item["output_shape"], np.dtype("<f4")),
    )


def _array(blob: bytes, shape: Sequence[int], kind: np.dtype[Any]) -> NDArray[Any]:
    if len(shape) < 1 or min(shape) < 1 or prod(shape) * kind.itemsize != len(blob):
        raise BadMeasureTask(reason=f"{len(blob)} bytes are no {kind.name} array {list(shape)}")
    return np.frombuffer(blob, dtype=kind).reshape(shape)


TABLE: Mapping[str, Callable[[Json, list[bytes]], tuple[Json, list[bytes]]]] = {"measure": measure, "facts": facts}
