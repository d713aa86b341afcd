"""Metrics in words, with their units: the same in plots and model cards."""

from __future__ import annotations

from types import MappingProxyType

LABELS = MappingProxyType(
    {
        "latency_p50_ms": ("latency, median", "ms"),
        "latency_p95_ms": ("latency, 95th percentile", "ms"),
        "energy_mj": ("energy per inference", "mJ"),
        "memory_mb": ("peak memory", "MB"),
        "size_mb": ("file size", "MB"),
        "parameters": ("parameters", ""),
        "auroc": ("AUROC", ""),
    }
)


def words(metric: str) -> str:
    """The metric's name for a reader."""
    return LABELS.get(metric, (metric.replace("_", " "), ""))[0]


def unit(metric: str) -> str:
    """The metric's unit; empty for shares and counts."""
    return LABELS.get(metric, ("", ""))[1]


def axis(metric: str, *notes: str) -> str:
    """`latency, 95th percentile (ms)`; `notes` follow the unit in the parentheses."""
    inside = ", ".join(part for part in (unit(metric), *notes) if part)
    return f"{words(metric)} ({inside})" if inside else words(metric)
