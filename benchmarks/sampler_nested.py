"""What nested search gains: variants of each tuned model by the sampler's own choice, beside one of each.

The quickstart's study without its constraints, every TUNE to its last round, `bayes`, real daemons, one machine. First
with the number of variants left to the sampler and a budget of `TRIALS`; then with one variant for each of as many
TUNEs. Both runs of a seed have the same sites and rows, and the same first TUNEs.

`nested_variants_ratio`: evaluated variants per tuned model, ours over one. `nested_cost_ratio`: the study's wall time
per tuned model, suggestions and all that lies between stages included, ours over one. Both runs share the machine with
whoever else is there, so it must be quiet; `nested_cost_bound` is of our run alone: the seconds of all stages over
those of each TUNE with its first variant. A lease's seconds are charged to its shapes in equal parts and a lone variant
would have one to itself, so this errs upwards. Medians over the seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from autoglm.processes import program
from autoglm_core.canonical import Json

STUDY = Path(__file__).resolve().parents[1] / "examples" / "quickstart.yaml"
TRIALS = 56
"""Of the run that chooses: the ten TUNEs before the surrogate is asked, and some after them."""


@dataclass(frozen=True)
class Run:
    """A study that ended: `tuned` models with `variants` evaluated, and wall `seconds`.

    `first`: seconds of the TUNEs, each with its first variant; `further`: of all other variants.
    """

    tuned: int
    variants: int
    seconds: float
    first: float
    further: float

    @classmethod
    def of(cls, result: Json) -> Run:
        """Of a result.json."""
        models: dict[str, list[Json]] = {}
        for trial in result["trials"]:
            if trial["state"] == "completed":
                models.setdefault(json.dumps(trial["configuration"]["tune"], sort_keys=True), []).append(trial)
        first = [_seconds(stage["seconds"] for stage in trials[0]["stages"]) for trials in models.values()]
        further = [
            stage["seconds"]
            for trials in models.values()
            for trial in trials[1:]
            for stage in trial["stages"]
            if stage["name"] != "TUNE"
        ]
        variants = sum(map(len, models.values()))
        return cls(len(models), variants, float(result["study_seconds"]), _seconds(first), _seconds(further))


def _seconds(figures: Iterable[float]) -> float:
    return round(math.fsum(figures), 3)


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """The part `nested` of `sampler.py`; runs that stand under `asked.out` are not made again."""
    pairs = [_pair(Path(asked.out), seed, held=asked.held) for seed in asked.seeds]
    whole = [pair for pair in pairs if pair is not None]
    if not whole:
        return {}
    return {
        "nested_variants_ratio": median(_ratio(pair, "variants") for pair in whole),
        "nested_cost_ratio": median(_ratio(pair, "seconds") for pair in whole),
        "nested_cost_bound": median(1 + ours.further / ours.first for ours, _ in whole),
        "nested_runs": [{"ours": asdict(ours), "one": asdict(one)} for ours, one in whole],
    }


def _ratio(pair: tuple[Run, Run], figure: str) -> float:
    ours, one = pair
    return float((getattr(ours, figure) / ours.tuned) / (getattr(one, figure) / one.tuned))


def _pair(folder: Path, seed: int, *, held: bool) -> tuple[Run, Run] | None:
    ours = _kept(folder / f"nested-auto-{seed}.json", "auto", seed, trials=TRIALS, held=held)
    if ours is None:
        return None
    one = _kept(folder / f"nested-one-{seed}.json", 1, seed, trials=ours.tuned, held=held)
    return None if one is None else (ours, one)


def _kept(path: Path, variants: int | str, seed: int, *, trials: int, held: bool) -> Run | None:
    """The run that stands at `path`, made first if it is not there and may be."""
    if not path.exists():
        if held:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(_simulated(variants, seed, trials=trials))) + "\n")
    return Run(**json.loads(path.read_text()))


def _simulated(variants: int | str, seed: int, *, trials: int) -> Run:
    study = yaml.safe_load(STUDY.read_text())
    study.pop("constraints")
    study |= {
        "rungs": [study["rounds"]],
        "budget": {"trials": trials},
        "sampler": {"name": "bayes", "variants": variants},
    }
    with tempfile.TemporaryDirectory() as root:
        declared, out = Path(root) / "nested.yaml", Path(root) / "run"
        declared.write_text(yaml.safe_dump(study))
        command = [program("autoglm"), "simulate", str(declared), "--seed", str(seed), "--out", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"variants {variants}, seed {seed}: {done.stderr.strip()[-2000:]}")
        return Run.of(json.loads((out / "result.json").read_bytes()))
