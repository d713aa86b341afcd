"""Text tables for the terminal: aligned columns, numbers to the right, no frame."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | float | None


def format_cell(value: Cell) -> str:
    """`value` as a short text: four significant digits for floats, `-` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def render_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Lines of `rows` under `headers`; a column is right-aligned where all of it are numbers.

    Raises:
        ValueError: a row has another length than `headers`.
    """
    numeric = [bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(headers))]
    texts = [list(headers), *([format_cell(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in texts
    )


def _is_number(cell: Cell) -> bool:
    return cell is None or isinstance(cell, (int, float))
