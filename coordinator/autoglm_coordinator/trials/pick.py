"""The files of one pick: the model, its configuration, its card and the front it stands on."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from autoglm_coordinator.report.fronts import pareto_fronts
from autoglm_coordinator.trials.compress import variant_of
from autoglm_coordinator.trials.finish import result_so_far
from autoglm_core.errors import NotFound
from autoglm_core.study import Study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_coordinator.trials.stages import Tools
    from autoglm_core.trial import Trial


class NoPick(NotFound):
    """The front of that device class is empty, or does not hold the trial."""

    code = "no-pick"

    def __init__(self, *, device_class: str, trial: int | None, known: str) -> None:
        what = "no completed trial" if trial is None else f"no trial {trial}"
        super().__init__(
            f"the front of {device_class!r} holds {what} ({known}): see `autoglm front`",
            device_class=device_class,
            trial=trial,
        )


async def pick_archive(study_id: str, device_class: str, number: int | None, tools: Tools) -> tuple[int, bytes]:
    """Trial number and an uncompressed tar of model.onnx, configuration.yaml, README.md, two plots, and companions.

    Raises:
        UnknownStudy: no study has that id.
        NoPick: nothing to export there.
    """
    record = await tools.store.get_study(study_id)
    study = Study.from_json(json.loads(record.body))
    fronts = pareto_fronts(study, await tools.store.list_trials(study_id))
    trial = _choose(fronts, device_class, number)
    variant = await variant_of(tools.store, trial)
    result = await result_so_far(study_id, tools.store)
    meta = {"study": study.to_json(), "result": result, "trial": trial.to_json(), "device_class": device_class}
    reply = await tools.in_child("describe-pick", meta)
    files = {name: bytes(blob) for name, blob in zip(reply.meta["names"], reply.blobs, strict=True)}
    model = await tools.store.get_artifact(variant.model)
    return trial.number, _tar({"model.onnx": model, **files})


def _choose(fronts: Mapping[str, list[Trial]], device_class: str, number: int | None) -> Trial:
    front = fronts.get(device_class, [])
    for trial in front:
        # The best pick stands first.
        if number in (None, trial.number):
            return trial
    classes = ", ".join(sorted(fronts)) or "none"
    numbers = ", ".join(str(trial.number) for trial in front) or "none"
    raise NoPick(device_class=device_class, trial=number, known=f"classes: {classes}; trials: {numbers}")


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
