"""One figure of each site, counted so that its mean and spread over sites are known and no site's own is."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, Counters

FRACTION = 2.0**30
"""Fixed-point scale of losses and rates: 1e-9, with room for 4e9 rows of unit loss."""


def site_fields(figure: str) -> tuple[CounterField, ...]:
    """Sites that have the figure, its sum and the sum of its squares."""
    return (
        CounterField("sites"),
        CounterField(f"site_{figure}", (), FRACTION),
        CounterField(f"site_{figure}_squared", (), FRACTION),
    )


def count_site(figure: str, value: float | None) -> dict[str, NDArray[np.float64]]:
    """The counters of one site; `value` None: it has nothing that the figure could be taken of."""
    known = value if value is not None else 0.0
    return {
        "sites": np.array(0.0 if value is None else 1.0),
        f"site_{figure}": np.array(known),
        f"site_{figure}_squared": np.array(known**2),
    }


def site_scores(figure: str, counters: Counters) -> dict[str, tuple[float, float]]:
    """`mean_site_<figure>` and `<figure>_spread` over sites, each with its standard error.

    The first is the figure of the average site, however few its rows; its error comes from the spread, whose own is
    that of about normal figures.
    """
    sites = max(float(counters["sites"]), 1.0)
    mean = float(counters[f"site_{figure}"]) / sites
    spread = sqrt(max(float(counters[f"site_{figure}_squared"]) / sites - mean**2, 0.0))
    degrees = max(sites - 1, 1.0)
    return {
        f"mean_site_{figure}": (mean, spread / sqrt(degrees)),
        f"{figure}_spread": (spread, spread / sqrt(2 * degrees)),
    }
