"""Which parameters matter, as tables: one for each device class, a column for each objective."""

from __future__ import annotations

from collections.abc import Sequence

from autoglm.tables import Cell, render_table
from autoglm_core.canonical import Json

FRONT = "front"
"""The column beside the objectives': being among the best by all of them."""


def importance_text(told: Json) -> str:
    """Parameters that matter most in the last column, the whole front or a single objective, come first."""
    return "\n\n".join(_of_class(name, entry, told["needed"]) for name, entry in sorted(told["classes"].items()))


def _of_class(name: str, entry: Json, needed: int) -> str:
    shares: Json = entry["importance"]
    if not shares:
        return f"{name}: {entry['trials']} completed trials, and {needed} are needed"
    columns = sorted(shares, key=lambda column: (column == FRONT, column))
    parameters = sorted({parameter for column in shares.values() for parameter in column})
    parameters.sort(key=lambda parameter: -float(shares[columns[-1]].get(parameter, 0.0)))
    rows: list[Sequence[Cell]] = [
        [parameter, *(_percent(shares[column].get(parameter)) for column in columns)] for parameter in parameters
    ]
    return f"importance on {name}, over {entry['trials']} trials\n" + render_table(["parameter", *columns], rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
