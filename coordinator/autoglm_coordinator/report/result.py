"""`result.json`: what a study came to, in one file that needs no other to be read. Format 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from autoglm_coordinator.report.fronts import pareto_fronts, ranks
from autoglm_coordinator.report.growth import front_growth
from autoglm_core.canonical import Json
from autoglm_core.measurement import Measurement, measurements_to_json
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import Trial

if TYPE_CHECKING:
    from autoglm_core.study import Study

FORMAT = 1


def build_result(
    *,
    study: Study,
    study_id: str,
    trials: Sequence[Trial],
    tests: Mapping[int, Mapping[str, Measurement]],
    protection: Json,
    blamed: Sequence[Json],
    data: Json,
    stopped: str,
    study_seconds: float,
    study_bytes: int,
    study_cost: TrainingCost,
) -> Json:
    """The content of result.json.

    Args:
        study: as approved.
        study_id: its id in this deployment.
        trials: all of them, in any order.
        tests: test figures of the picks by trial number; empty while the study runs.
        protection: what was in force.
        blamed: sites that broke the secure sum in it.
        data: what the cohort counted of its rows together, in training; empty while the study runs.
        stopped: why the study ended (trials, wall, bytes, energy, gain, space, operator), or the state it is in.
        study_seconds: wall time from the first suggestion to the result.
        study_bytes: payload that its sites sent and received together.
        study_cost: what its training took at the sites.
    """
    ordered = sorted(trials, key=lambda trial: trial.number)
    fronts, ranked = pareto_fronts(study, ordered), ranks(study, ordered)
    value: Json = {
        "format": FORMAT,
        "study": {"id": study_id, "hash": f"sha256:{study.hash}", "seed": study.seed, "sampler": study.sampler.name},
        "stopped": stopped,
        "study_seconds": round(study_seconds, 1),
        "study_bytes": study_bytes,
        "study_joules": round(study_cost.joules, 6),
        "study_modelled_joules": study_cost.modelled,
        "protection": protection,
        "blamed": list(blamed),
        "data": data,
        "objectives": [{"name": item.metric, "direction": str(item.direction)} for item in study.objectives],
        "trials": [_trial(trial, tests.get(trial.number, {}), ranked.get(trial.number, {})) for trial in ordered],
        "fronts": {
            name: [_pick(study, trial, name, tests.get(trial.number, {})) for trial in front]
            for name, front in fronts.items()
        },
        "hypervolume": front_growth(study, ordered),
        "best": {name: front[0].number for name, front in fronts.items() if front},
    }
    return value if study.weighted is None else {**value, "weighted": dict(study.weighted.weights)}


def _trial(trial: Trial, test: Mapping[str, Measurement], ranked: Mapping[str, int]) -> Json:
    value = trial.to_json()
    if ranked:
        value["ranks"] = dict(ranked)
    # Beside the measurements, not among them: nothing that chooses between trials may come upon a test figure.
    return {**value, "test": measurements_to_json(test)} if test else value


def _pick(study: Study, trial: Trial, device_class: str, test: Mapping[str, Measurement]) -> Json:
    """Objectives' means, each followed by its test figure where there is one."""
    figures: Json = {"trial": trial.number}
    for objective in study.objectives:
        figures[objective.metric] = trial.measurements[device_class][objective.metric].mean
        if objective.metric in test:
            figures[f"test_{objective.metric}"] = test[objective.metric].mean
    return figures
