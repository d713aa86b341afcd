"""What the coordinator's own child does: everything that needs torch, ONNX or Optuna. The daemon imports none of them.

Every task is a pure function of its message: task B after task A gives what B gives alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.report.tasks import TABLE as REPORT_TASKS
from autoglm_coordinator.sampler.tasks import TABLE as SAMPLER_TASKS
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.study import Study
from autoglm_workloads.registry import load_workload

if TYPE_CHECKING:
    from autoglm_core.counters import CounterLayout, Counters
    from autoglm_core.workload import Exported, Vector, Workload

Blobs = Sequence[bytes]
Answer = tuple[Json, list[bytes]]
PROBE_ROWS = 8
"""Synthetic rows on which a device must agree with the reference runtime."""
PROBE_OUTPUT_BYTES = 16 * 2**20
"""Of the reference runtime's outputs: logits of every token over a vocabulary are tens of megabytes a row, then fewer
rows are compared.
"""


def initial(meta: Json, blobs: Blobs) -> Answer:
    """Initial weights of `tune` from the 32-byte `seed` (hexadecimal)."""
    study, workload = _study(meta)
    weights = workload.model_side.initial(study, meta["tune"], bytes.fromhex(meta["seed"]))
    return {}, [weights.astype("<f4").tobytes()]


def export(meta: Json, blobs: Blobs) -> Answer:
    """A variant of the tuned weights in blob 0, with the summed `constants` and `histograms`."""
    study, workload = _study(meta)
    side, configuration = workload.model_side, Configuration.from_json(meta["configuration"])
    histograms = None
    if meta["histograms"] is not None:
        histograms = _counters(side.calibrate_layout(study, configuration), meta["histograms"])
    constants = _counters(side.constants_layout(study), meta["constants"])
    return _exported(side.export(study, configuration, _vector(blobs[0]), constants, histograms))


def export_calibration(meta: Json, blobs: Blobs) -> Answer:
    """The variant's fp32 model with its activations as further outputs."""
    study, workload = _study(meta)
    side = workload.model_side
    constants = _counters(side.constants_layout(study), meta["constants"])
    model = side.export_calibration(study, Configuration.from_json(meta["configuration"]), _vector(blobs[0]), constants)
    return {}, [model]


def export_shape(meta: Json, blobs: Blobs) -> Answer:
    """A variant's shape with random weights, probe inputs, and the reference runtime's outputs on them.

    Blobs: the model, the inputs (of `input_type`, float32 or int64), the expected outputs (float32 of any rank).
    """
    study, workload = _study(meta)
    side, configuration = workload.model_side, Configuration.from_json(meta["configuration"])
    seed = hashlib.sha256(b"autoglm/v1/shape/" + side.shape_key(study, configuration).encode()).digest()
    weights = side.initial(study, configuration.tune, seed)
    exported = side.export(
        study, configuration, weights, side.probe_constants(study), side.probe_histograms(study, configuration)
    )
    answer, models = _exported(exported)
    inputs, outputs = _reference_rows(exported.model, side.probe_inputs(study, PROBE_ROWS))
    answer |= {"input_type": inputs.dtype.name, "input_shape": list(inputs.shape), "output_shape": list(outputs.shape)}
    return answer, [*models, inputs.tobytes(), outputs.tobytes()]


def _reference_rows(model: bytes, inputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """The rows of `inputs` that a device is asked for, and their outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    row = session.run(None, {name: inputs[:1]})[0]
    inputs = inputs[: max(1, PROBE_OUTPUT_BYTES // row.nbytes)]
    return inputs, np.asarray(session.run(None, {name: inputs})[0], dtype=np.float32)


def _study(meta: Json) -> tuple[Study, Workload]:
    study = Study.from_json(meta["study"])
    return study, load_workload(study.workload)


def _vector(blob: bytes) -> Vector:
    return np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)


def _counters(layout: CounterLayout, encoded: list[int]) -> Counters:
    return layout.decode(np.asarray(encoded, dtype=np.int64))


def _exported(exported: Exported) -> Answer:
    facts: Json = {
        "size_bytes": exported.size_bytes,
        "parameters": exported.parameters,
        "max_abs_difference": exported.max_abs_difference,
    }
    return facts, [exported.model]


TABLE: Mapping[str, Callable[[Json, list[bytes]], Answer]] = {
    "initial": initial,
    "export": export,
    "export-calibration": export_calibration,
    "export-shape": export_shape,
    **SAMPLER_TASKS,
    **REPORT_TASKS,
}
