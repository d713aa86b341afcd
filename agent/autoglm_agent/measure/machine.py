"""What figures were taken on: runtime, processor, meter. Kinds of hardware, nothing that names this one machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from autoglm_core.canonical import Json
from autoglm_workloads.child import sandbox
from autoglm_workloads.child.energy import open_meter

_CPUINFO = Path("/proc/cpuinfo")
_DEVICE_TREE = Path("/proc/device-tree/model")


def machine_facts(*, watts: float, meter: str | None) -> Json:
    """Facts for `doctor`, hello and results.

    Returns:
        runtime, processor (model name), architecture, cpus (that this process may use), meter, meter_provenance,
        sandboxed (whether this process is refused a network).
    """
    opened = open_meter(watts=watts, name=meter)
    return {
        "runtime": _runtime(),
        "processor": processor_model(),
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "meter": opened.name,
        "meter_provenance": str(opened.provenance),
        "sandboxed": sandbox.enforced(),
    }


def processor_model(cpuinfo: Path = _CPUINFO, device_tree: Path = _DEVICE_TREE) -> str:
    """The board where a device tree names it (Jetson, Raspberry Pi), else the processor, else "unknown"."""
    if device_tree.is_file():
        return device_tree.read_text().strip("\0\n ")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _runtime() -> str:
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__} CPUExecutionProvider"
