"""What a device measured, read as hostile bytes: the seal around them proves who sent them, not what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from autoglm_core.canonical import Json, read_canonical
from autoglm_core.encoding import Malformed
from autoglm_core.measurement import Provenance
from autoglm_core.objective import DEVICE_METRICS

BESIDE = ("cpu_ms", "relative_p50")
_LARGEST_COUNT = 2**53


def read_figures(clear: bytes, keys: Iterable[str]) -> dict[str, Json]:
    """By shape, what stage PROBE keeps of it: `measurements`, figures `beside` them, `agreement` with the reference.

    `keys`: the shapes that were asked for; others are left out.

    Raises:
        Malformed: another form, or a shape is missing.
    """
    value = read_canonical(clear, what="figures")
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(items, dict):
        raise Malformed(what="figures")
    return {key: _entry(items.get(key)) for key in keys}


def _entry(value: object) -> Json:
    if not isinstance(value, dict) or value.keys() != {"measurements", "beside", "agreement"}:
        raise Malformed(what="figures")
    for part, known in (("measurements", DEVICE_METRICS), ("beside", BESIDE)):
        figures = value[part]
        _require(isinstance(figures, dict) and set(figures) <= set(known))
        for figure in figures.values():
            _check_measurement(figure)
    agreement = value["agreement"]
    _require(isinstance(agreement, dict) and agreement.keys() == {"max_abs_difference", "rows"})
    _require(_is_figure(agreement["max_abs_difference"]) and _is_count(agreement["rows"]))
    return value


def _check_measurement(value: object) -> None:
    if not isinstance(value, dict) or value.keys() != {"mean", "standard_error", "count", "provenance"}:
        raise Malformed(what="figures")
    _require(_is_figure(value["mean"]) and _is_figure(value["standard_error"]) and _is_count(value["count"]))
    _require(value["provenance"] in tuple(Provenance))


def _is_figure(value: object) -> bool:
    return type(value) is float and isfinite(value)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST_COUNT


def _require(holds: bool) -> None:
    if not holds:
        raise Malformed(what="figures")
