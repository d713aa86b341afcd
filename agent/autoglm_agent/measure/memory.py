"""Memory that a loaded model adds to the process: growth of the resident set over loading it and running it once.

The runtime itself and the interpreter are not part of the figure, because they are the same for every variant. Freed
memory is given back to the kernel before each reading; without that a second model would seem to cost nothing, in the
first one's remains.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autoglm_agent.measure.percentiles import standard_error
from autoglm_core.measurement import Measurement, Provenance

_STATM = Path("/proc/self/statm")


def growth(load: Callable[[], object], *, repeat: int = 3) -> Measurement:
    """Megabytes (1e6 bytes) that `load` adds while its result lives: mean and standard error of `repeat` >= 2 loads."""
    load()  # what a runtime allocates once is not the model's
    readings = []
    for _ in range(repeat):
        before = _settled_bytes()
        loaded = load()
        readings.append((_settled_bytes() - before) / 1e6)
        del loaded
    values = np.maximum(np.array(readings), 0.0)
    return Measurement(float(values.mean()), standard_error(values), repeat, Provenance.MEASURED)


def _settled_bytes() -> int:
    gc.collect()
    with contextlib.suppress(AttributeError):  # glibc has it, musl has not
        ctypes.CDLL(None).malloc_trim(0)
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()
