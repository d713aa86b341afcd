"""Reports as tasks of the coordinator's child: the daemon imports neither matplotlib nor YAML nor Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from autoglm_core.canonical import Json
from autoglm_core.measurement import measurements_from_json
from autoglm_core.study import Study
from autoglm_core.trial import Trial
from autoglm_core.workload import ShipsFiles
from autoglm_workloads.registry import load_workload


def describe_pick(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """The files beside a pick's model, for `{study, result, trial, device_class}`: `{names}`, and a blob for each."""
    from autoglm_coordinator.report.card import configuration_yaml, model_card
    from autoglm_coordinator.report.plot import plot_front
    from autoglm_coordinator.report.plot_growth import plot_growth

    study, trial, result = Study.from_json(meta["study"]), Trial.from_json(meta["trial"]), meta["result"]
    device_class, study_id = meta["device_class"], result["study"]["id"]
    tests: list[Json] = [entry.get("test", {}) for entry in result["trials"] if entry["id"] == trial.number]
    test = tests[0] if tests else {}
    card = model_card(
        study,
        trial,
        study_id=study_id,
        device_class=device_class,
        test=measurements_from_json(test),
        protection=result["protection"],
    )
    yaml = configuration_yaml(trial, study_id=study_id, study_hash=study.hash, device_class=device_class)
    files = {
        "configuration.yaml": yaml.encode(),
        "README.md": card.encode(),
        "front.png": plot_front(result, device_class),
        "hypervolume.png": plot_growth(result, device_class),
        **_companions(study),
    }
    return {"names": list(files)}, list(files.values())


def _companions(study: Study) -> Mapping[str, bytes]:
    side = load_workload(study.workload).model_side
    return side.companions(study) if isinstance(side, ShipsFiles) else {}


def importance(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Which parameters matter, for `{study, trials}`; see `importances`."""
    from autoglm_coordinator.report.importance import importances

    return importances(Study.from_json(meta["study"]), [Trial.from_json(trial) for trial in meta["trials"]]), []


def optuna_journal(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """Optuna's journal (blob 0) of `{study, study_id, trials, created}`; `created`: when the study was submitted."""
    from autoglm_coordinator.report.mirror import optuna_journal

    study, trials = Study.from_json(meta["study"]), [Trial.from_json(trial) for trial in meta["trials"]]
    return {}, [optuna_journal(study, meta["study_id"], trials, created=datetime.fromisoformat(meta["created"]))]


TABLE: Mapping[str, Callable[[Json, list[bytes]], tuple[Json, list[bytes]]]] = {
    "describe-pick": describe_pick,
    "importance": importance,
    "optuna-journal": optuna_journal,
}
