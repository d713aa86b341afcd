"""Describing a pick as a task of the coordinator's child: the daemon imports neither matplotlib nor YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoglm_core.canonical import Json
from autoglm_core.measurement import measurements_from_json
from autoglm_core.study import Study
from autoglm_core.trial import Trial


def front_plot(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """PNG (blob 0) of the front of `device_class`, from `result`, the content of result.json."""
    from autoglm_coordinator.report.plot import plot_front

    return {}, [plot_front(meta["result"], meta["device_class"])]


def describe_pick(meta: Json, blobs: list[bytes]) -> tuple[Json, list[bytes]]:
    """The files beside a pick's model, for `{study, result, trial, device_class}`: `{names}`, and a blob for each."""
    from autoglm_coordinator.report.card import configuration_yaml, model_card

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
    _, plot = front_plot(meta, blobs)
    files = {"configuration.yaml": yaml.encode(), "README.md": card.encode(), "front.png": plot[0]}
    return {"names": list(files)}, list(files.values())


TABLE: Mapping[str, Callable[[Json, list[bytes]], tuple[Json, list[bytes]]]] = {
    "front-plot": front_plot,
    "describe-pick": describe_pick,
}
