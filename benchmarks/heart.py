"""Heart disease in four hospitals: does tuning over masked sums lose anything? Ours under the published figures.

The splits are FLamby's (66 % training rows in each hospital, stratified where possible), with random states 0, 1, ...
and 43, which is the published one. A fifth of the training rows is set aside for validation, and a study tunes on
what is left: no choice sees a test row. Like the published methods, the model that is tested was trained on all of the
66 %: a second study of one trial trains the chosen configuration once more on them. (Its file needs rows that are
called validation; they are those of the first study, once more, and nobody looks at the figures over them.)

Everything of ours goes through one deployment of real daemons: a coordinator and four agents, each with a file per
split. "Pooled" is tuned equally, in process: the same configurations, rows, rounds and second training, by one site
that holds everything. What leaves the hospitals are sums, so there is a mean of the four accuracies and no single one.

    python benchmarks/heart.py [--splits 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from heart_data import PUBLISHED_STATE, Figures, Hospital, all_trained, published_rows, read_hospital, write
from pooled import Pool

from autoglm.run_folder import RunFolder
from autoglm.simulated_agents import toml_text
from autoglm.simulated_deployment import AgentFiles, SimulatedDeployment
from autoglm.space import search_space
from autoglm.study_file import NaturalSplit, load_study
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.configuration import Values
from autoglm_core.measurement import Split
from autoglm_core.objective import Direction, Objective
from autoglm_core.schema import Column, ColumnKind, TableSchema
from autoglm_core.study import Budget, Study

PROJECT = Path(__file__).resolve().parents[1]
METRICS = ("accuracy", "mean_site_accuracy", "balanced_accuracy", "auroc")
TITLES = ("pooled test", "mean of centres", "balanced", "AUROC")
TARGETS = {"pooled_test_accuracy": 80.0, "mean_of_centres": 81.5, "paired_difference_to_pooled": -0.5}


@dataclass(frozen=True)
class Outcome:
    """Test figures of one split: `ours`, `before` (as tuned, without the second training), `pooled`."""

    state: int
    ours: Figures
    before: Figures
    pooled: Figures
    tune: Values
    seconds: float

    def to_json(self) -> Json:
        """Plain JSON values."""
        return {
            "random_state": self.state,
            "ours": self.ours,
            "before_refit": self.before,
            "pooled": self.pooled,
            "tune": dict(self.tune),
            "seconds": round(self.seconds, 1),
        }


class Bench:
    """The deployment's files, and the studies over them."""

    def __init__(self, root: Path, study: Study, hospitals: Sequence[Hospital]) -> None:
        self.folder = RunFolder(root)
        self._hospitals = hospitals
        assert isinstance(study.schema, TableSchema)
        columns = (*study.schema.columns, Column("split", ColumnKind.SPLIT))
        # Accuracy is the question here: nothing is measured on devices, and one figure decides, the least noisy.
        self._study = replace(
            study,
            schema=replace(study.schema, columns=columns),
            objectives=(Objective("loss", Direction.MINIMIZE),),
            constraints=(),
            device_classes=(),
        )

    def prepare(self, states: Sequence[int]) -> list[AgentFiles]:
        """Write each hospital's files, one dataset per study."""
        agents = []
        for hospital in self._hospitals:
            home = self.folder.agent(hospital.name)
            (home / "data").mkdir(parents=True)
            tables: dict[str, dict[str, str | int]] = {"": {"name": hospital.name, "state": "state"}}
            for number, state in enumerate(states):
                names = hospital.split(state)
                for data, parts in ((_tuning(number), names), (_whole(number), all_trained(names))):
                    path = self._file(hospital, data)
                    write(path, hospital.rows, names, parts)
                    tables[f'data."{data}"'] = {"path": f"data/{path.name}", "workload": self._study.workload}
            tables["policy"] = {"approval": "simulated", "minimum_cohort": self._study.protection.minimum_cohort}
            (home / "agent.toml").write_text(toml_text(tables))
            agents.append(AgentFiles(hospital.name, home / "agent.toml", site=True))
        return agents

    def run(self, deployment: SimulatedDeployment, number: int, state: int) -> Outcome:
        """Tune, train once more, and do the same with everything in one place."""
        start = time.monotonic()
        tuning = replace(self._study, name=_tuning(number), data=_tuning(number))
        found = self._result(deployment, tuning)
        trials = {trial["id"]: trial for trial in found["trials"]}
        (best,) = found["best"].values()
        tune = trials[best]["configuration"]["tune"]
        again = self._result(deployment, self._once_more(number, tune))
        seconds = time.monotonic() - start
        tried = [trial["configuration"]["tune"] for trial in found["trials"]]
        return Outcome(
            state=state,
            ours=_percent({name: figure["mean"] for name, figure in again["trials"][0]["test"].items()}),
            before=_percent({name: figure["mean"] for name, figure in trials[best]["test"].items()}),
            pooled=self._pooled(tuning, number, tried),
            tune=tune,
            seconds=seconds,
        )

    def _once_more(self, number: int, tune: Values) -> Study:
        """A study of the one configuration `tune` over all rows that are no test rows."""
        space = search_space(tune={name: [value] for name, value in tune.items()})
        return replace(self._study, name=_whole(number), data=_whole(number), space=space, budget=Budget(trials=1))

    def _result(self, deployment: SimulatedDeployment, study: Study) -> Json:
        submitted = deployment.client.submit(canonical_json(study.to_json()), idempotency_key=study.name)
        *_, last = deployment.client.watch(submitted.id)
        if last.state != "completed":
            log = self.folder.log("coordinator").read_text()
            raise SystemExit(f"{study.name} ended {last.state}: {last.error}\n{log[-3000:]}")
        result: Json = json.loads(deployment.client.result(submitted.id))
        return result

    def _pooled(self, study: Study, number: int, tried: Sequence[Values]) -> Figures:
        """The configuration of `tried` with the lowest validation loss, trained once more on everything."""
        tuning = self._pool(study, _tuning(number))

        def loss(tune: Values) -> float:
            weights = tuning.trained(tune, rounds=study.rounds)
            return tuning.score(tune, weights, Split.VALIDATION)["loss"].mean

        best = min(tried, key=loss)
        whole = self._pool(study, _whole(number))
        scores = whole.score(best, whole.trained(best, rounds=study.rounds), Split.TEST)
        return _percent({name: figure.mean for name, figure in scores.items()})

    def _pool(self, study: Study, data: str) -> Pool:
        return Pool.load(study, [self._file(hospital, data) for hospital in self._hospitals])

    def _file(self, hospital: Hospital, data: str) -> Path:
        return self.folder.agent(hospital.name) / "data" / f"{data}.csv"


def _tuning(number: int) -> str:
    return f"heart-{number:02d}"


def _whole(number: int) -> str:
    return f"heart-{number:02d}-whole"


def _percent(figures: Mapping[str, float]) -> Figures:
    return {name: round(100 * figures[name], 3) for name in METRICS}


def mean_of(figures: Sequence[Figures]) -> Figures:
    """Metric by metric."""
    return {name: round(fmean(entry[name] for entry in figures), 3) for name in METRICS}


def report(published: Mapping[str, Figures], random: Sequence[Outcome], fixed: Outcome) -> str:
    """The table: published figures, then ours on the published split and as means over the random ones."""
    rows = [
        *published.items(),
        ("ours, published split", fixed.ours),
        ("  pooled, tuned equally", fixed.pooled),
        (f"ours, {len(random)} random splits", mean_of([outcome.ours for outcome in random])),
        ("  without the second training", mean_of([outcome.before for outcome in random])),
        ("  pooled, tuned equally", mean_of([outcome.pooled for outcome in random])),
    ]
    lines = [f"{'test figures in %':32s}" + "".join(f"{title:>17s}" for title in TITLES)]
    for title, figures in rows:
        cells = [f"{figures[name]:17.1f}" if name in figures else f"{'-':>17s}" for name in METRICS]
        lines.append(f"{title:32s}" + "".join(cells))
    return "\n".join(lines)


def summary(random: Sequence[Outcome], fixed: Outcome, seconds: float) -> Json:
    """Means over the random splits, in percent."""
    ours, before = mean_of([outcome.ours for outcome in random]), mean_of([outcome.before for outcome in random])
    pooled = mean_of([outcome.pooled for outcome in random])
    differences = [outcome.ours["accuracy"] - outcome.pooled["accuracy"] for outcome in random]
    error = stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    return {
        "pooled_test_accuracy": ours["accuracy"],
        "mean_of_centres": ours["mean_site_accuracy"],
        "balanced_accuracy": ours["balanced_accuracy"],
        "auroc": ours["auroc"],
        "paired_difference_to_pooled": round(fmean(differences), 3),
        "paired_difference_standard_error": round(error, 3),
        "before_refit": before,
        "pooled": pooled,
        "published_split": fixed.to_json(),
        "splits": [outcome.to_json() for outcome in random],
        "seconds": round(seconds, 1),
    }


def main() -> int:
    """Run every split and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=20, help="random splits beside the published one")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    example = load_study(PROJECT / "examples" / "heart.yaml")
    assert example.simulate is not None
    assert isinstance(example.simulate.split, NaturalSplit)
    assert isinstance(example.study.schema, TableSchema)
    files = example.simulate.split.files
    if missing := [path for path in files.values() if not path.is_file()]:
        print(f"skipped: {missing[0]} is not there, see examples/heart.yaml", file=sys.stderr)
        return 2
    hospitals = [read_hospital(name, path, example.study.schema) for name, path in files.items()]
    states = [*range(options.splits), PUBLISHED_STATE]
    start = time.monotonic()
    outcomes = []
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), example.study, hospitals)
        agents = bench.prepare(states)
        with SimulatedDeployment(bench.folder, agents, minimum_cohort=3) as deployment:
            for number, state in enumerate(states):
                outcomes.append(bench.run(deployment, number, state))
                print(_line(outcomes[-1]), flush=True)
    *random, fixed = outcomes
    figures = summary(random, fixed, time.monotonic() - start)
    print(f"\n{report(published_rows(next(iter(files.values())).parent / 'flamby_results'), random, fixed)}\n")
    for name, target in TARGETS.items():
        print(f"{name} {figures[name]:.2f} (target {target}): {'met' if figures[name] >= target else 'MISSED'}")
    print("published centres are scaled by each centre's own mean and deviation, all else by the cohort's")
    print(f"{len(states)} splits in {figures['seconds']:.0f} s")
    if options.json:
        print(json.dumps(figures))
    return 0


def _line(outcome: Outcome) -> str:
    """One split, as it ends."""
    ours, pooled = outcome.ours, outcome.pooled
    return (
        f"random state {outcome.state:2d}: accuracy {ours['accuracy']:.1f}, mean of centres "
        f"{ours['mean_site_accuracy']:.1f}; pooled {pooled['accuracy']:.1f}, {pooled['mean_site_accuracy']:.1f}; "
        f"{outcome.seconds:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
