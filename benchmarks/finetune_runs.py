"""One federated and one pooled run of a task of `finetune.py`."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from finetune_models import base_model
from finetune_tasks import SHARES, Task

from autoglm.processes import program
from autoglm.text_sharding import TextShard, shard_texts
from autoglm_core.canonical import Json
from autoglm_core.configuration import Values
from autoglm_core.counters import Counters
from autoglm_core.measurement import Split
from autoglm_core.parse_study import parse_study
from autoglm_core.study import Study
from autoglm_core.text_schema import TextSchema
from autoglm_core.workload import LocalRound, ParameterLayout, Workload
from autoglm_workloads.registry import load_workload
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text.tasks.api import Prepared
from autoglm_workloads.text.tasks.tagging import TaggedWords

ONE_CORE = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Outcome:
    """Of one run.

    `test`: of the test rows. `seconds`: of the training. `bytes_per_round`: that all sites sent and received in a
    round, measured at the coordinator. `adapter_bytes`, `head_bytes`: of one update in float32.
    """

    metric: str
    test: float
    seconds: float
    bytes_per_round: float
    adapter_bytes: int
    head_bytes: int

    def to_json(self) -> Json:
        """Plain JSON values."""
        return asdict(self)


def federated(task: Task, variant: str, seed: int) -> Outcome:
    """Over real daemons on this machine."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        declared = _declared(task, variant, seed)
        shards = _shards(task, declared, seed)
        files = {shard.name: str(shard.write(folder / "sites" / shard.name)) for shard in shards}
        study = parse_study(declared)
        declared["simulate"] = {"sites": {"files": files}}
        (folder / "study.yaml").write_text(yaml.safe_dump(declared))
        out = folder / "run"
        command = [program("autoglm"), "simulate", str(folder / "study.yaml"), "--out", str(out)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **ONE_CORE})
        if done.returncode != 0:
            raise SystemExit(f"{study.name}, seed {seed}: {(done.stderr + done.stdout).strip()[-3000:]}")
        return _outcome(task, json.loads((out / "result.json").read_bytes()), study)


def _outcome(task: Task, result: Json, study: Study) -> Outcome:
    (trial,) = result["trials"]
    if trial["state"] != "completed":
        raise SystemExit(f"{study.name}: the trial is {trial['state']}: {json.dumps(trial.get('error'))}")
    (tune,) = (stage for stage in trial["stages"] if stage["name"] == "TUNE")
    (pick,) = next(iter(result["fronts"].values()))
    layout = load_workload(study.workload).model_side.layout(study, trial["configuration"]["tune"])
    adapter, head = _update_bytes(layout)
    return Outcome(
        task.metric,
        float(pick[f"test_{task.metric}"]),
        float(tune["seconds"]),
        tune["bytes"] / tune["rounds"],
        adapter,
        head,
    )


def pooled(task: Task, variant: str, seed: int) -> Outcome:
    """On the training rows of all sites, by the same workload in this process, configured as `task` says of it."""
    declared = _declared(task, variant, seed)
    study = parse_study(declared)
    workload, tune = load_workload(study.workload), {**_tune(task, variant), **task.pooled}
    with tempfile.TemporaryDirectory() as place:
        shards = _shards(task, declared, seed)
        sites = [workload.site_side.load(shard.write(Path(place) / shard.name), study) for shard in shards]
        rows = joined(sites)
        constants = workload.site_side.constants(rows, study)
        parameters = workload.model_side.initial(study, tune, seed.to_bytes(32, "big"))
        begun = time.monotonic()
        for number in range(1, (task.pooled_rounds or task.rounds) + 1):
            at = LocalRound(number, (1000 * seed + number).to_bytes(32, "big"))
            parameters = workload.site_side.train(rows, study, tune, parameters, constants, at).parameters
        seconds = time.monotonic() - begun
        parts = [workload.site_side.evaluate(site, study, tune, parameters, constants, Split.TEST) for site in sites]
    figures = workload.model_side.score(_summed(workload, study, parts), Split.TEST)
    adapter, head = _update_bytes(workload.model_side.layout(study, tune))
    return Outcome(task.metric, figures[task.metric].mean, round(seconds, 1), 0.0, adapter, head)


def _declared(task: Task, variant: str, seed: int) -> Json:
    model = base_model(task.model)
    minimise = task.metric in ("perplexity", "loss")
    return {
        "name": f"finetune-{task.workload}",
        "workload": task.workload,
        "data": "texts",
        "model": {"name": task.model, "options": {"content": model.content, "max_length": task.max_length}},
        "schema": task.schema(),
        "search": {"tune": {name: [value] for name, value in _tune(task, variant).items()}},
        "objectives": {task.metric: "minimize" if minimise else "maximize"},
        "rounds": task.rounds,
        "rungs": [task.rounds],
        "budget": {"trials": 1},
        "sampler": {"name": "random", "seed": seed},
        "split": {"seed": seed, **SHARES},
        "protection": {"secure_sum": "required", "minimum_cohort": 3},
    }


def _tune(task: Task, variant: str) -> Values:
    return {**task.tune, **(task.variants[variant] if variant else {})}


def _schema(study: Study) -> TextSchema:
    assert isinstance(study.schema, TextSchema)
    return study.schema


def _shards(task: Task, declared: Json, seed: int) -> Sequence[TextShard]:
    return shard_texts(task.data, _schema(parse_study(declared)), split=task.split(seed), sites=task.sites)


def joined(sites: Sequence[Prepared]) -> Prepared:
    """The rows of all sites as one site's, each in the split in which it is at home.

    Split again, rows that a site keeps for its test would be trained on.
    """
    starts = np.cumsum([0, *(len(site.ids) for site in sites)])
    splits = [
        np.concatenate([start + site.splits.of(split) for start, site in zip(starts, sites, strict=False)])
        for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)
    ]
    return replace(
        sites[0],
        ids=tuple(row for site in sites for row in site.ids),
        targets=_joined_targets([site.targets for site in sites]),
        splits=SplitRows(*splits),
    )


def _joined_targets(targets: Sequence[Any]) -> Any:
    match targets[0]:
        case TaggedWords():
            firsts = tuple(row for part in targets for row in part.firsts)
            return TaggedWords(firsts, tuple(row for part in targets for row in part.tags))
        case np.ndarray():
            return np.concatenate(targets)
        case _:
            return None


def _summed(workload: Workload, study: Study, parts: Sequence[Counters]) -> Counters:
    layout = workload.model_side.evaluate_layout(study)
    return layout.decode(np.sum([layout.encode(part) for part in parts], axis=0))


def _update_bytes(layout: ParameterLayout) -> tuple[int, int]:
    head = sum(tensor.size for tensor in layout.tensors if tensor.name.startswith("head."))
    return 4 * (layout.size - head), 4 * head
