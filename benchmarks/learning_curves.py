"""Learning curves of real TUNEs: each configuration trained to the end, its validation metrics after every round.

Workload, sites, splits and aggregators are the study's own; each round's deltas are averaged in the clear, by training
rows, in this process. A curve of r rounds is also the beginning of any longer one, so a recording serves every number
of rounds up to its own. Configurations are random draws from the study's `tune` space.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pooled import Pool

from autoglm.simulate import Simulation
from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_coordinator.federation.aggregators import load_aggregator
from autoglm_coordinator.sampler.registry import load_sampler
from autoglm_core.canonical import Json
from autoglm_core.configuration import Values
from autoglm_core.measurement import Measurement, Split, measurements_from_json, measurements_to_json
from autoglm_core.study import Study
from autoglm_core.workload import LocalRound


@dataclass(frozen=True)
class Curve:
    """One TUNE. `parameters`: of its model; `validation`: metrics after round 1, 2, ..."""

    tune: Values
    parameters: int
    validation: tuple[dict[str, Measurement], ...]

    def to_json(self) -> Json:
        """As one line of a recording."""
        rounds = [measurements_to_json(scores) for scores in self.validation]
        return {"tune": dict(self.tune), "parameters": self.parameters, "validation": rounds}

    @classmethod
    def from_json(cls, value: Json) -> Curve:
        """Inverse of `to_json`."""
        rounds = tuple(measurements_from_json(scores) for scores in value["validation"])
        return cls(value["tune"], value["parameters"], rounds)


def drawn(study: Study, count: int) -> list[Values]:
    """`count` different `tune` parts at random."""
    sampler = load_sampler(study_with_random_sampler(study))
    sampler.observe([], [])
    return [suggestion.tune for suggestion in sampler.suggest(count)]


def study_with_random_sampler(study: Study) -> Study:
    """`study` with suggestions that depend on its seed alone."""
    value = study.to_json()
    value["sampler"] = {**value["sampler"], "name": "random", "variants": 1}
    return Study.from_json(value)


def pool_of(simulation: Simulation) -> Pool:
    """The simulation's sites with their rows."""
    study = simulation.study
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for site in simulation.sites():
            path = site.file or Path(folder) / f"{site.name}.npz"
            if site.arrays is not None:
                np.savez(path, **dict(site.arrays))  # type: ignore[arg-type]  # the stub's own options
            files.append(path)
        return Pool.load(study, files)


def train(pool: Pool, tune: Values, rounds: int) -> Curve:
    """One TUNE over all sites of `pool`."""
    study, site_side = pool.study, pool.workload.site_side
    name = json.dumps(dict(tune), sort_keys=True)
    parameters = pool.workload.model_side.initial(study, tune, _seed(study, name, 0))
    aggregator, state = load_aggregator(tune), AggregatorState()
    validation = []
    for number in range(1, rounds + 1):
        at = LocalRound(number, _seed(study, name, number))
        outcomes = [site_side.train(site, study, tune, parameters, pool.constants, at) for site in pool.sites]
        weights = np.array([outcome.weight for outcome in outcomes], dtype=np.float64)
        deltas = np.stack([outcome.parameters - parameters for outcome in outcomes])
        mean = (weights @ deltas / weights.sum()).astype(np.float32)
        parameters, state = aggregator.step(parameters, mean, state)
        validation.append(dict(pool.score(tune, parameters, Split.VALIDATION)))
    return Curve(tune, parameters.size, tuple(validation))


def _seed(study: Study, name: str, number: int) -> bytes:
    return hashlib.sha256(f"{study.seed}/{name}/{number}".encode()).digest()


def recorded(path: Path, simulation: Simulation, *, count: int, rounds: int) -> list[Curve]:
    """The curves in the file `path`; those of `count` that it lacks are trained and added, one line each."""
    known = list(_read(path))
    if len(known) < count:
        path.parent.mkdir(parents=True, exist_ok=True)
        pool, tunes = pool_of(simulation), drawn(simulation.study, count)
        with path.open("a") as file:
            for tune in tunes[len(known) :]:
                known.append(train(pool, tune, rounds))
                file.write(json.dumps(known[-1].to_json()) + "\n")
                file.flush()
    return known


def _read(path: Path) -> Iterator[Curve]:
    lines: Sequence[str] = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        yield Curve.from_json(json.loads(line))
