"""One way to run ONNX models where figures or counters come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Inputs = NDArray[np.float32] | NDArray[np.int64]
"""Rows of numbers, or of token ids."""


def open_session(model: bytes, *, threads: int = 1) -> InferenceSession:
    """A CPU session: sequential, `threads` intra-op threads, no spinning, which doubles latency on a shared machine."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_batches(session: InferenceSession, inputs: Inputs, *, batch: int = 256) -> list[list[NDArray[np.float32]]]:
    """All outputs of the session for each batch of `inputs` `(rows, ...)`, in order.

    One empty batch where there are no rows.
    """
    name = session.get_inputs()[0].name
    starts = range(0, max(len(inputs), 1), batch)
    return [session.run(None, {name: inputs[start : start + batch]}) for start in starts]
