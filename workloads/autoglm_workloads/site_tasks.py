"""The task table of a site's child: what a session of the secure sum needs from this site's rows.

Every task takes `study` (canonical JSON) and `data` (path) in its meta, and further

    task            meta                   blobs                          answer
    load                                                                  nothing but `report`; an error of the data
                                                                          is raised here
    constants                                                             [counters]
    train           configuration, round,  [constants, parameters]        [delta, counters]
                    seed, watts
    evaluate        configurations, split  [constants, each's parameters] [counters of each]
    evaluate-model  configurations, split  [ONNX model of each]           [counters of each]
    calibrate       configurations         [calibration model of each]    [counters of each]

`configuration` is {"tune": ..., "deploy": ...}, `round` counts from 1, `seed` has 64 hexadecimal digits, `watts` are
those of one busy core, `split` is train, validation or test. Parameters and deltas (trained minus broadcast parameters)
are little-endian float32, counters and constants little-endian int64 as their `CounterLayout` encodes them. The
answer's meta holds `weight`: training rows for `train`, else the counter `rows` of the first model, or 1 where its
layout has none. That of `train` holds `cost` too, what the training took, as of `TrainingCost`.

Rows are read once and kept; all else comes with the task, so that task B after task A gives the bits of task B alone.
A workload draws from generators of its own, seeded by `seed`. The global ones are set back before each task as a second
line; torch's only once it is loaded, for it seeds itself at random when a task imports it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from autoglm_core.canonical import Json, json_digest
from autoglm_core.configuration import Configuration
from autoglm_core.counters import CounterLayout, Counters
from autoglm_core.errors import InvalidInput
from autoglm_core.measurement import Split
from autoglm_core.study import Study
from autoglm_core.workload import LocalRound, Vector, Workload, WrongLength
from autoglm_workloads.child.model_bytes import refuse_external_data
from autoglm_workloads.child.training_meter import metered
from autoglm_workloads.registry import load_workload

Answer = tuple[Json, list[bytes]]


class WrongBlobs(InvalidInput):
    """A task came with another number of blobs than its configurations call for."""

    code = "wrong-blobs"

    def __init__(self, *, expected: int, received: int) -> None:
        super().__init__(f"expected {expected} blobs, received {received}", expected=expected, received=received)


@dataclass(frozen=True)
class Site:
    """A study's rows at this site, read. `data` is the workload's own."""

    study: Study
    workload: Workload
    data: Any

    def constants(self, blob: bytes) -> Counters:
        """Decode the study's constants."""
        layout = self.workload.model_side.constants_layout(self.study)
        return layout.decode(np.frombuffer(blob, dtype="<i8").astype(np.int64, copy=False))

    def parameters(self, blob: bytes, configuration: Configuration) -> Vector:
        """Decode parameters and check their number."""
        expected = self.workload.model_side.layout(self.study, configuration.tune).size
        if len(blob) != 4 * expected:
            raise WrongLength(expected=expected, received=len(blob) // 4)
        return np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)


@runtime_checkable
class Reported(Protocol):
    """Rows that have something to say to the administrator."""

    def report(self) -> Sequence[str]:
        """Lines for the terminal of `autoglm-agent data check`; nothing else reads them, and they stay at the site."""
        ...


class SiteTasks:
    """The tasks, and the rows that were read last: a child serves one study at one site."""

    def __init__(self) -> None:
        self._key: object = None
        self._site: Site | None = None

    def load(self, meta: Json, blobs: list[bytes]) -> Answer:
        """Read and validate the rows, so that later tasks find them."""
        site = self._open(meta)
        return {"report": list(site.data.report()) if isinstance(site.data, Reported) else []}, []

    def constants(self, meta: Json, blobs: list[bytes]) -> Answer:
        """The site's share of the study's constants."""
        site = self._open(meta)
        layout = site.workload.model_side.constants_layout(site.study)
        return _answer([(layout, site.workload.site_side.constants(site.data, site.study))])

    def train(self, meta: Json, blobs: list[bytes]) -> Answer:
        """One local training from the broadcast parameters."""
        site = self._open(meta)
        _expect(blobs, 2)
        configuration = Configuration.from_json(meta["configuration"])
        broadcast = site.parameters(blobs[1], configuration)
        train = partial(
            site.workload.site_side.train,
            site.data,
            site.study,
            configuration.tune,
            broadcast,
            site.constants(blobs[0]),
            LocalRound(meta["round"], bytes.fromhex(meta["seed"])),
        )
        outcome, cost = metered(train, watts=meta["watts"])
        delta = np.subtract(outcome.parameters, broadcast, dtype=np.float32)
        counters = site.workload.model_side.train_layout(site.study).encode(outcome.counters)
        meta = {"weight": outcome.weight, "cost": cost.to_json(), "notes": list(outcome.notes)}
        return meta, [delta.astype("<f4", copy=False).tobytes(), _bytes(counters)]

    def evaluate(self, meta: Json, blobs: list[bytes]) -> Answer:
        """Counters of received parameters in the training framework."""
        site, configurations, split = self._open(meta), _configurations(meta), Split(meta["split"])
        _expect(blobs, 1 + len(configurations))
        constants, layout = site.constants(blobs[0]), site.workload.model_side.evaluate_layout(site.study)
        evaluate = site.workload.site_side.evaluate
        return _answer(
            [
                (
                    layout,
                    evaluate(site.data, site.study, entry.tune, site.parameters(blob, entry), constants, split),
                )
                for entry, blob in zip(configurations, blobs[1:], strict=True)
            ]
        )

    def evaluate_model(self, meta: Json, blobs: list[bytes]) -> Answer:
        """Counters of received ONNX models in onnxruntime."""
        site, split = self._open(meta), Split(meta["split"])
        _expect(blobs, len(_configurations(meta)))
        layout, evaluate = site.workload.model_side.evaluate_layout(site.study), site.workload.site_side.evaluate_model
        return _answer([(layout, evaluate(site.data, site.study, _safe(model), split)) for model in blobs])

    def calibrate(self, meta: Json, blobs: list[bytes]) -> Answer:
        """Activation histograms of received calibration models."""
        site, configurations = self._open(meta), _configurations(meta)
        _expect(blobs, len(configurations))
        layout, calibrate = site.workload.model_side.calibrate_layout, site.workload.site_side.calibrate
        return _answer(
            [
                (layout(site.study, entry), calibrate(site.data, site.study, entry, _safe(model)))
                for entry, model in zip(configurations, blobs, strict=True)
            ]
        )

    def _open(self, meta: Json) -> Site:
        _reset_generators()
        path = Path(meta["data"])
        key = (json_digest(meta["study"]), path, _state_of(path))
        if self._site is None or key != self._key:
            self._site = None  # free the old rows before the new ones are read
            study = Study.from_json(meta["study"])
            workload = load_workload(study.workload)
            self._site, self._key = Site(study, workload, workload.site_side.load(path, study)), key
            _reset_generators()
        return self._site


def _configurations(meta: Json) -> list[Configuration]:
    return [Configuration.from_json(entry) for entry in meta["configurations"]]


def _expect(blobs: Sequence[bytes], count: int) -> None:
    if len(blobs) != count:
        raise WrongBlobs(expected=count, received=len(blobs))


def _safe(model: bytes) -> bytes:
    refuse_external_data(model)
    return model


def _answer(counted: Sequence[tuple[CounterLayout, Counters]]) -> Answer:
    weight = int(counted[0][1].get("rows", np.array(1.0))) if counted else 0
    return {"weight": weight}, [_bytes(layout.encode(counters)) for layout, counters in counted]


def _bytes(vector: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bytes:
    return vector.astype("<i8", copy=False).tobytes()


def _state_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Changes when the file does, or one in the folder: rows that an administrator replaced are read again."""
    try:
        found = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
        return tuple((status.st_mtime_ns, status.st_size) for status in map(Path.stat, found))
    except OSError:  # the workload says what is wrong with it, or needs no file
        return ()


def _reset_generators() -> None:
    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


_TASKS = SiteTasks()
TABLE: Mapping[str, Callable[[Json, list[bytes]], Answer]] = {
    "load": _TASKS.load,
    "constants": _TASKS.constants,
    "train": _TASKS.train,
    "evaluate": _TASKS.evaluate,
    "evaluate-model": _TASKS.evaluate_model,
    "calibrate": _TASKS.calibrate,
}
