"""The front of one device class as a picture: quality against latency, energy as colour.

Drawn from result.json alone, with matplotlib's objects on an Agg canvas: pyplot would keep global state and look for a
display. Trials that were infeasible or not completed are not shown; completed ones off the front are, in grey, for
scale.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from autoglm_coordinator.report.labels import axis
from autoglm_coordinator.report.placement import Box, Position, place
from autoglm_core.canonical import Json
from autoglm_core.objective import COST_METRICS

INK, GREY, FAINT = "#22272e", "#9aa4af", "#e6e9ed"
COLOURS = "viridis"
WIDTH, HEIGHT, DPI = 7.6, 4.8, 160
LOG_FROM = 6.0
"""A latency axis that spans more than this factor is logarithmic."""
MISSING = float("nan")
LEADER_FROM = 20.0
"""Points (1/72 inch) between a mark and its label beyond which a line joins them."""
LEADER = {"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 1.0, "shrinkB": 4.0}


@dataclass(frozen=True)
class Axes:
    """Metrics of the picture; `colour` is empty where nothing is left to show by it."""

    x: str
    y: str
    colour: str


@dataclass(frozen=True)
class Point:
    """One trial: figures by metric with their standard errors, and where it stands."""

    trial: int
    figures: Mapping[str, float]
    errors: Mapping[str, float]
    on_front: bool
    best: bool


def plot_front(result: Json, device_class: str) -> bytes:
    """PNG of the front of `device_class`, from the content of result.json."""
    axes = _axes(result, device_class)
    points = [point for point in _points(result, device_class) if {axes.x, axes.y} <= point.figures.keys()]
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    _frame(plot, result, device_class, axes)
    front = [point for point in points if point.on_front]
    _draw_rest(plot, [point for point in points if not point.on_front], axes)
    if front:
        _draw_front(figure, plot, front, axes, note=_provenance(result, device_class, axes.colour))
        _scale(plot, points, axes)
        _label(figure, plot, points, axes)
    else:
        plot.text(0.5, 0.5, "no completed trial is feasible here", ha="center", color=GREY, transform=plot.transAxes)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _axes(result: Json, device_class: str) -> Axes:
    wanted = [str(item["name"]) for item in result["objectives"]]
    measured = {name for trial in result["trials"] for name in trial["measurements"].get(device_class, {})}
    y = next((name for name in wanted if name not in COST_METRICS), wanted[0])
    costs = [name for name in (*wanted, *COST_METRICS) if name in COST_METRICS and name in measured and name != y]
    x = next((name for name in costs if name.startswith("latency")), costs[0] if costs else "latency_p95_ms")
    others = [name for name in costs if name != x and not name.startswith("latency")]
    return Axes(x, y, next((name for name in others if name == "energy_mj"), others[0] if others else ""))


def _points(result: Json, device_class: str) -> list[Point]:
    picks = [int(entry["trial"]) for entry in result["fronts"].get(device_class, [])]
    return [
        Point(
            trial=int(trial["id"]),
            figures={name: float(entry["mean"]) for name, entry in trial["measurements"][device_class].items()},
            errors={
                name: float(entry["standard_error"]) for name, entry in trial["measurements"][device_class].items()
            },
            on_front=trial["id"] in picks,
            best=picks[:1] == [trial["id"]],
        )
        for trial in result["trials"]
        if trial["state"] == "completed"
        and device_class in trial["measurements"]
        and device_class not in trial.get("refused_by", ())
    ]


def _provenance(result: Json, device_class: str, metric: str) -> str:
    """`modelled` where that is how the metric came about on this class: said wherever the figure is shown."""
    kinds = {
        trial["measurements"].get(device_class, {}).get(metric, {}).get("provenance") for trial in result["trials"]
    }
    return "modelled" if "modelled" in kinds else ""


def _frame(plot: Any, result: Json, device_class: str, axes: Axes) -> None:
    plot.set_title(
        f"{result['study']['id']}  ·  {device_class}", loc="left", color=INK, fontsize=12, fontweight="bold", pad=22
    )
    picks, completed = len(result["fronts"].get(device_class, [])), len(_points(result, device_class))
    subtitle = f"{picks} on the front of {completed} completed and feasible trials"
    plot.text(0, 1.025, subtitle, transform=plot.transAxes, color="#5b6570", fontsize=9)
    plot.set_xlabel(axis(axes.x), color=INK)
    plot.set_ylabel(f"validation {axis(axes.y)}", color=INK)
    plot.grid(color=FAINT, linewidth=0.8)
    plot.set_axisbelow(True)
    plot.tick_params(colors=INK, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        plot.spines[side].set_visible(False)
    plot.spines["bottom"].set_color(GREY)


def _column(points: Sequence[Point], metric: str) -> list[float]:
    return [point.figures.get(metric, MISSING) for point in points]


def _draw_rest(plot: Any, points: Sequence[Point], axes: Axes) -> None:
    plot.scatter(
        _column(points, axes.x),
        _column(points, axes.y),
        s=22,
        color=GREY,
        alpha=0.55,
        linewidths=0,
        label="dominated, or alike to a pick",
    )


def _draw_front(figure: Any, plot: Any, points: Sequence[Point], axes: Axes, *, note: str) -> None:
    x, y = _column(points, axes.x), _column(points, axes.y)
    errors = [point.errors.get(axes.y, 0.0) for point in points]
    plot.errorbar(x, y, yerr=errors, fmt="none", ecolor=GREY, elinewidth=0.9, alpha=0.8, zorder=2)
    colour: dict[str, Any] = {"c": _column(points, axes.colour), "cmap": COLOURS} if axes.colour else {"color": INK}
    drawn = plot.scatter(
        x, y, s=70, edgecolors="white", linewidths=1.0, zorder=3, label="front, ± 1 standard error", **colour
    )
    best = [point for point in points if point.best]
    plot.scatter(
        _column(best, axes.x),
        _column(best, axes.y),
        s=190,
        facecolors="none",
        edgecolors=INK,
        linewidths=1.3,
        zorder=4,
        label="best",
    )
    if axes.colour:
        bar = figure.colorbar(drawn, ax=plot, pad=0.02, aspect=28)
        bar.set_label(axis(axes.colour, note), color=INK)
        bar.ax.tick_params(colors=INK, labelsize=9, length=0)
        bar.outline.set_visible(False)
    legend = plot.legend(
        loc="lower right", fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none", labelcolor=INK
    )
    for handle, colour_of in zip(legend.legend_handles, (GREY, INK, "none"), strict=True):
        handle.set_sizes([40.0])
        handle.set_array(None)
        handle.set_facecolor(colour_of)


def _scale(plot: Any, points: Sequence[Point], axes: Axes) -> None:
    x = _column(points, axes.x)
    if min(x) > 0 and max(x) / min(x) > LOG_FROM:
        plot.set_xscale("log")
        plot.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0) if max(x) / min(x) < 30 else (1.0, 3.0)))
        plot.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        plot.xaxis.set_minor_locator(NullLocator())
    plot.yaxis.set_major_locator(MaxNLocator(nbins=6))
    plot.margins(x=0.08, y=0.12)


def _label(figure: Any, plot: Any, points: Sequence[Point], axes: Axes) -> None:
    """Trial numbers beside the picks, where they cover neither a point nor each other."""
    figure.draw_without_rendering()
    size = DPI / 72
    picks = [point for point in points if point.on_front]
    obstacles = [Box.around(_pixels(plot, point, axes), 5.5 * size) for point in points]
    obstacles += [_error_bar(plot, point, axes) for point in picks]
    centres = [_pixels(plot, point, axes) for point in picks]
    texts = [f"#{point.trial}" for point in picks]
    sizes = [(5.4 * size * len(text), 9.0 * size) for text in texts]
    anchors = place(centres, sizes=sizes, obstacles=obstacles, gap=8.5 * size)
    for anchor, text, centre in zip(anchors, texts, centres, strict=True):
        offset = ((anchor[0] - centre[0]) / size, (anchor[1] - centre[1]) / size)
        far = math.hypot(*offset) > LEADER_FROM
        plot.annotate(
            text,
            centre,
            xycoords="figure pixels",
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            color=INK,
            zorder=5,
            arrowprops=LEADER if far else None,
        )


def _pixels(plot: Any, point: Point, axes: Axes, *, above: float = 0.0) -> Position:
    x, y = plot.transData.transform((point.figures[axes.x], point.figures[axes.y] + above))
    return float(x), float(y)


def _error_bar(plot: Any, point: Point, axes: Axes) -> Box:
    error = point.errors.get(axes.y, 0.0)
    (x, bottom), (_, top) = _pixels(plot, point, axes, above=-error), _pixels(plot, point, axes, above=error)
    return Box(x - 2.0, bottom, x + 2.0, top)
