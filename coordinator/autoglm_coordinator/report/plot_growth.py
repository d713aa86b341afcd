"""How the front of one device class grew, as a picture: the hypervolume over the trials."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from autoglm_coordinator.report.labels import unit, words
from autoglm_coordinator.report.plot import DPI, FAINT, GREY, INK, WIDTH
from autoglm_core.canonical import Json

HEIGHT = 3.6
LINE = "#31688e"
QUIET = "#5b6570"


def plot_growth(result: Json, device_class: str) -> bytes:
    """PNG of the hypervolume of `device_class` after each trial, from the content of result.json."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    grown: Json = result["hypervolume"].get(device_class, {})
    last = max((int(trial["id"]) for trial in result["trials"]), default=0)
    _frame(plot, f"{result['study']['id']}  ·  {device_class}", _summary(grown.get("steps", ()), last=last))
    if grown:
        _draw(plot, grown["steps"], last=last)
        _caption(plot, _box(grown["reference"]))
    else:
        plot.text(0.5, 0.5, "no hypervolume to show here", ha="center", color=GREY, transform=plot.transAxes)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _summary(steps: Sequence[Json], *, last: int) -> str:
    if not steps:
        return ""
    return f"{steps[-1]['share']:.1%} after {last} trials, last raised by #{steps[-1]['trial']}"


def _box(reference: Json) -> str:
    """Which box the shares are of."""
    corner = [f"{words(name)} {value:.3g} {unit(name)}".rstrip() for name, value in reference.items()]
    return "\n".join(["100% is the box between the best figures and", *corner])


def _frame(plot: Any, title: str, subtitle: str) -> None:
    plot.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=22)
    plot.text(0, 1.035, subtitle, transform=plot.transAxes, color=QUIET, fontsize=9)
    plot.set_xlabel("trial", color=INK)
    plot.set_ylabel("dominated by the front", color=INK)
    plot.set_ylim(0, 1)
    plot.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    plot.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    plot.grid(color=FAINT, linewidth=0.8)
    plot.set_axisbelow(True)
    plot.tick_params(colors=INK, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        plot.spines[side].set_visible(False)
    plot.spines["bottom"].set_color(GREY)


def _caption(plot: Any, text: str) -> None:
    behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9}
    plot.text(0.985, 0.06, text, ha="right", color=QUIET, fontsize=9, transform=plot.transAxes, bbox=behind, zorder=4)


def _draw(plot: Any, steps: Sequence[Json], *, last: int) -> None:
    numbers = [int(step["trial"]) for step in steps]
    shares = [float(step["share"]) for step in steps]
    plot.step([*numbers, last], [*shares, shares[-1]], where="post", color=LINE, linewidth=1.8)
    plot.scatter(numbers, shares, s=22, color=LINE, linewidths=0, zorder=3)
    plot.set_xlim(0.5, last + 0.5)
