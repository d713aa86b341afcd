"""Why a trial was suggested, and what came of it: what was expected beside what was measured.

An expectation is a mean and a standard deviation in the figure's own unit. What lies more than two of them off was a
surprise to the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoglm.ending import energy, spent_text
from autoglm.results import Result, describe, unit_of
from autoglm.tables import Cell, render_table
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement
from autoglm_core.reason import How, Reason
from autoglm_core.training_cost import NO_COST
from autoglm_core.trial import StageName, Trial, TrialState

WORDS = {
    How.REFERENCE: "the reference configuration: it comes first, because the others are compared with it",
    How.BELIEVED: "named in the study's file by someone who believes in it",
    How.SPREAD: "one of the points that cover the space before a model is asked",
    How.MODEL: "of all that the model was asked about it promised the most",
    How.CHANCE: "drawn at random",
    How.GRID: "the next of the grid",
    How.OPTUNA: "suggested by one of Optuna's samplers; they do not say why",
}
UNKNOWN = "no reason was kept with it"


def why(result: Result, trial: Trial) -> Json:
    """Everything that is told, as `--json` prints it; what is not known is left out or null."""
    reason = trial.reason
    expected: Json = {}
    if reason is not None:
        expected = {name: value for name, value in reason.to_json().items() if name not in ("how", "predicted")}
    return {
        "trial": trial.number,
        "state": str(trial.state),
        "configuration": trial.configuration.to_json(),
        "sampler": result.sampler,
        "how": None if reason is None else str(reason.how),
        "expected": expected,
        "figures": [] if reason is None else _figures(reason, trial),
        "seconds": _own_seconds(result, trial),
        **_joules(trial),
        "ranks": dict(result.ranks.get(trial.number, {})),
        "pick_on": [name for name, points in result.fronts.items() if trial.number in [p.trial for p in points]],
        "stages": [stage.to_json() for stage in trial.stages],
    }


def _own_seconds(result: Result, trial: Trial) -> float:
    """What it took: its TUNE counts with the first of the trials that share it, as in what was expected."""
    key = trial.configuration.tune_key
    shared = any(other.number < trial.number and other.configuration.tune_key == key for other in result.trials)
    spent = [stage for stage in trial.stages if not stage.cached and not (shared and stage.name is StageName.TUNE)]
    return round(sum(stage.seconds for stage in spent), 3)


def _joules(trial: Trial) -> Json:
    """Of its TUNE, which trials may share."""
    tune = next((stage.cost for stage in trial.stages if stage.name is StageName.TUNE), NO_COST)
    return {"joules": round(tune.joules, 6), "modelled_joules": tune.modelled}


def _figures(reason: Reason, trial: Trial) -> list[Json]:
    rows: list[Json] = []
    for label, (mean, deviation) in reason.predicted.items():
        row: Json = {"figure": label, "predicted": mean, "deviation": deviation}
        figure = _measured(trial, label)
        if figure is not None:
            row |= {"measured": figure.mean, "error": figure.standard_error}
            # The measurement errs too: what both together leave room for is no surprise. What was expected is of a
            # trial that runs to its end.
            room = math.hypot(deviation, figure.standard_error)
            if room > 0 and trial.state is TrialState.COMPLETED:
                row["off"] = round((figure.mean - mean) / room, 2) + 0.0  # not -0.0
        rows.append(row)
    return rows


def _measured(trial: Trial, label: str) -> Measurement | None:
    """The figure that a prediction's label means: of its class, or of any where all classes share it."""
    name, _, metric = label.rpartition("/")
    classes = [trial.measurements.get(name, {})] if name else list(trial.measurements.values())
    return next((figures[metric] for figures in classes if metric in figures), None)


def why_text(told: Json) -> str:
    """`why` in words and small tables."""
    how = told["how"]
    by = f" ({told['sampler']})" if told["sampler"] and how in (How.MODEL, How.OPTUNA) else ""
    parts = [
        f"trial {told['trial']}: {told['state']}",
        describe(Configuration.from_json(told["configuration"])),
        f"\nhow: {UNKNOWN if how is None else WORDS[How(how)]}{by}",
        *_promised(told),
    ]
    if told["figures"]:
        parts.append("\n" + _table(told["figures"]))
    parts.append(_standing(told))
    stages: list[Sequence[Cell]] = [
        [stage["name"], "cached" if stage["cached"] else "ran", round(float(stage["seconds"]), 2)]
        for stage in told["stages"]
    ]
    if stages:
        parts.append("\n" + render_table(["stage", "", "seconds"], stages))
    return "\n".join(parts)


def _promised(told: Json) -> list[str]:
    """What was expected beside the figures."""
    expected, lines = told["expected"], []
    if "log_gain" in expected:
        lines.append(f"promised: log of the expected gain in hypervolume {expected['log_gain']:.3g}")
    if "feasible" in expected:
        lines.append(f"probability that the constraints hold: {expected['feasible']:.0%}")
    if "seconds" in expected:
        lines.append(f"expected to take {expected['seconds']:.3g} s; took {told['seconds']:.3g} s")
    if "joules" in expected:
        took = spent_text(told["joules"], modelled=told["modelled_joules"])
        lines.append(f"its TUNE was expected to take {energy(expected['joules'])}; took {took}")
    return lines


def _table(figures: Sequence[Json]) -> str:
    rows: list[Sequence[Cell]] = [
        [
            row["figure"],
            row["predicted"],
            row["deviation"],
            row.get("measured"),
            row.get("error"),
            row.get("off"),
            unit_of(row["figure"]),
        ]
        for row in figures
    ]
    head = ["figure", "predicted", "deviation", "measured", "error", "off by", "unit"]
    return render_table(head, rows) + "\noff by: in standard deviations of both together"


def _standing(told: Json) -> str:
    if not told["ranks"]:
        return "\nrank: none, for it has not all figures on any class, or was refused"
    ranks = [
        f"{name}: rank {rank}" + (", a pick" if name in told["pick_on"] else "") for name, rank in told["ranks"].items()
    ]
    return f"\nnow on {'; '.join(ranks)} (1 is the Pareto front)"
