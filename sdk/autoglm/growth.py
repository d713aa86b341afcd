"""How the fronts grew, as text: the hypervolume after each trial that raised it."""

from __future__ import annotations

from collections.abc import Sequence

from autoglm.errors import UnknownFront
from autoglm.results import Growth, Result
from autoglm.tables import Cell, format_cell, render_table


def growth_text(result: Result, device_class: str | None = None) -> str:
    """Of every class, or of one.

    Raises:
        UnknownFront: the study has no such class.
    """
    if device_class is not None and device_class not in result.fronts:
        raise UnknownFront(device_class=device_class, known=", ".join(sorted(result.fronts)) or "none")
    names = sorted(result.fronts) if device_class is None else [device_class]
    return "\n\n".join(f"hypervolume on {name}\n{_table(result.growth.get(name))}" for name in names)


def _table(growth: Growth | None) -> str:
    if growth is None:
        return "none: no completed trial was feasible on this class, or there are more than four objectives"
    corner = ", ".join(f"{name} {format_cell(value)}" for name, value in growth.reference.items())
    rows: list[Sequence[Cell]] = [[trial, f"{share:.2%}"] for trial, share in growth.steps]
    return f"share of the box between {corner} and the best figures\n{render_table(['trial', 'share'], rows)}"
