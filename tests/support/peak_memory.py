"""The most memory that a process had in RAM since it was last asked: Linux's `VmHWM`, which a write sets back."""

from __future__ import annotations

from pathlib import Path


def forget_peak(pid: int) -> int:
    """Begin anew; resident bytes now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _field(pid, "VmRSS")


def peak(pid: int) -> int:
    """Most bytes resident since `forget_peak`."""
    return _field(pid, "VmHWM")


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name}")
