"""The quickstart as a stranger runs it, over several seeds: time, trials, fronts, and accuracy beside pooled data.

Each seed is one `autoglm simulate examples/quickstart.yaml --seed N` into an empty folder: another split over the four
sites, other rows for testing, another sampler. The pick of a run is the best of its fronts by validation accuracy; its
accuracy is the one on test rows, after compression. "Pooled" is the same network with the pick's `tune`, trained in
process on the rows of all sites together for as many epochs (rounds times local epochs), uncompressed: once as one long
training and once in rounds with the pick's aggregator, whichever is better on the validation rows.

    python benchmarks/quickstart.py [--seeds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from pooled import Pool

from autoglm.processes import program
from autoglm.run_folder import RunFolder
from autoglm.simulate import Simulation, simulation_of
from autoglm.study_file import load_study
from autoglm_core.canonical import Json
from autoglm_core.configuration import Values
from autoglm_core.measurement import Split

STUDY = Path(__file__).resolve().parents[1] / "examples" / "quickstart.yaml"
LATENCY_SHARE, ACCURACY_POINTS = 0.10, 0.02
COORDINATOR_OPTIONS = ("aggregator", "server_")
TARGETS = {
    "test_accuracy_median": (">=", 0.96),
    "difference_points": (">=", -2.0),
    "study_seconds_max": ("<=", 150.0),
    "tunes_min": (">=", 20),
    "variants_min": (">=", 40),
    "infeasible_min": (">=", 1),
    "front_points_min": (">=", 3),
    "alike_pairs_max": ("<=", 0),
}


@dataclass(frozen=True)
class Run:
    """One seed. `fronts`: points by device class; `alike`: pairs on one front that a user could not tell apart."""

    seed: int
    seconds: float
    tunes: int
    variants: int
    infeasible: int
    fronts: dict[str, int]
    alike: int
    test_accuracy: float
    pooled_accuracy: float
    tune: dict[str, object]

    def __str__(self) -> str:
        fronts = ", ".join(f"{name} {points}" for name, points in self.fronts.items())
        return (
            f"seed {self.seed}: {self.seconds:.1f} s, {self.tunes} TUNEs, {self.variants} variants completed, "
            f"{self.infeasible} infeasible; front points: {fronts}, {self.alike} pairs alike; "
            f"test accuracy {self.test_accuracy:.4f}, pooled {self.pooled_accuracy:.4f}"
        )


def measure(seed: int, root: Path) -> Run:
    """Run the study with `seed` in `root`."""
    command = [program("autoglm"), "simulate", str(STUDY), "--seed", str(seed), "--out", str(root)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode != 0:
        raise SystemExit(f"seed {seed}: {done.stderr.strip()[-2000:]}")
    result = json.loads((root / "result.json").read_bytes())
    simulation = simulation_of(load_study(STUDY), seed=seed)
    point = best_point(result)
    tune = trial_of(result, point["trial"])["configuration"]["tune"]
    states = [trial["state"] for trial in result["trials"]]
    return Run(
        seed=seed,
        seconds=result["study_seconds"],
        tunes=len(tune_keys(result)),
        variants=states.count("completed"),
        infeasible=states.count("infeasible"),
        fronts={name: len(points) for name, points in result["fronts"].items()},
        alike=sum(alike(*pair) for points in result["fronts"].values() for pair in combinations(points, 2)),
        test_accuracy=point["test_accuracy"],
        pooled_accuracy=pooled_accuracy(simulation, RunFolder(root), tune),
        tune=tune,
    )


def best_point(result: Json) -> Json:
    """The point with the highest validation accuracy of all fronts."""
    return max((points[0] for points in result["fronts"].values() if points), key=lambda point: point["accuracy"])


def trial_of(result: Json, number: int) -> Json:
    """The trial of that number."""
    return next(trial for trial in result["trials"] if trial["id"] == number)


def tune_keys(result: Json) -> set[str]:
    """TUNEs that ended, at the last round or at a rung."""
    stages = [stage for trial in result["trials"] for stage in trial["stages"]]
    return {stage["key"] for stage in stages if stage["name"] == "TUNE"}


def alike(first: Json, second: Json) -> bool:
    """Whether two points differ neither by a tenth in latency nor by two points in accuracy."""
    faster, slower = sorted(float(point["latency_p95_ms"]) for point in (first, second))
    apart = abs(float(first["accuracy"]) - float(second["accuracy"]))
    return slower - faster < LATENCY_SHARE * slower and apart < ACCURACY_POINTS


def pooled_accuracy(simulation: Simulation, folder: RunFolder, tune: Values) -> float:
    """Test accuracy of the same network on all sites' rows together."""
    study = simulation.study
    pool = Pool.load(study, [folder.agent(site.name) / "data" / f"{study.data}.npz" for site in simulation.sites()])
    local = {name: value for name, value in tune.items() if not name.startswith(COORDINATOR_OPTIONS)}
    epochs = study.rounds * int(tune.get("local_epochs", 1))
    trained = [
        pool.trained({**local, "local_epochs": epochs}, rounds=1),
        pool.trained(tune, rounds=study.rounds),
    ]
    best = max(trained, key=lambda weights: pool.score(tune, weights, Split.VALIDATION)["accuracy"].mean)
    return pool.score(tune, best, Split.TEST)["accuracy"].mean


def summary(runs: list[Run]) -> Json:
    """Medians and extremes over the seeds."""
    ours, pooled = median(run.test_accuracy for run in runs), median(run.pooled_accuracy for run in runs)
    return {
        "test_accuracy_median": round(ours, 4),
        "pooled_accuracy_median": round(pooled, 4),
        "difference_points": round(100 * median(run.test_accuracy - run.pooled_accuracy for run in runs), 2),
        "study_seconds_max": max(run.seconds for run in runs),
        "tunes_min": min(run.tunes for run in runs),
        "variants_min": min(run.variants for run in runs),
        "infeasible_min": min(run.infeasible for run in runs),
        "front_points_min": min(points for run in runs for points in run.fronts.values()),
        "alike_pairs_max": max(run.alike for run in runs),
        "runs": [asdict(run) for run in runs],
    }


def main() -> int:
    """Run every seed and print the figures beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    runs = []
    for seed in range(1, options.seeds + 1):
        with tempfile.TemporaryDirectory() as root:
            runs.append(measure(seed, Path(root) / "run"))
        print(runs[-1], flush=True)
    figures = summary(runs)
    for name, (sign, target) in TARGETS.items():
        met = figures[name] >= target if sign == ">=" else figures[name] <= target
        print(f"{name} {figures[name]} (target {sign} {target}): {'met' if met else 'MISSED'}")
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
