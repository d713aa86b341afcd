"""The contract of a workload: one kind of training and evaluation, in two halves that never meet in one process.

`ModelSide` runs at the coordinator and knows shapes, weights and ONNX, never data. `SiteSide` runs in a site's child
and knows data. A workload's module imports numpy alone at the top; torch, onnx and onnxruntime are imported inside
the functions that need them, so that daemons may ask for layouts without paying for frameworks.

Parameters travel as one flat float32 vector in the order of `ParameterLayout`; names are for exports and errors only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.errors import InvalidInput

if TYPE_CHECKING:
    from autoglm_core.configuration import Configuration, Values
    from autoglm_core.counters import CounterLayout, Counters
    from autoglm_core.measurement import Measurement, Split
    from autoglm_core.study import Study

Vector = NDArray[np.float32]


class Role(StrEnum):
    """Who keeps a parameter: the sum over sites, the coordinator alone, or each site for itself."""

    AVERAGED = "averaged"
    SERVER = "server"
    LOCAL = "local"


@dataclass(frozen=True)
class ParameterSpec:
    """One tensor: `name`, `shape`, `role`."""

    name: str
    shape: tuple[int, ...]
    role: Role = Role.AVERAGED

    @property
    def size(self) -> int:
        """Elements of the tensor."""
        return prod(self.shape)


class WrongLength(InvalidInput):
    """A parameter vector is not as long as its layout."""

    code = "wrong-length"

    def __init__(self, *, expected: int, received: int) -> None:
        super().__init__(f"expected {expected} parameters, received {received}", expected=expected, received=received)


@dataclass(frozen=True)
class ParameterLayout:
    """The tensors of a model in the order of the flat vector."""

    tensors: tuple[ParameterSpec, ...]

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(tensor.size for tensor in self.tensors)

    def split(self, vector: Vector) -> dict[str, Vector]:
        """Views of `vector` `(size,)` by name and in shape."""
        if vector.shape != (self.size,):
            raise WrongLength(expected=self.size, received=vector.size)
        tensors, start = {}, 0
        for spec in self.tensors:
            tensors[spec.name] = vector[start : start + spec.size].reshape(spec.shape)
            start += spec.size
        return tensors

    def join(self, tensors: Mapping[str, Vector]) -> Vector:
        """Inverse of `split`: `(size,)` float32."""
        parts = [np.asarray(tensors[spec.name], dtype=np.float32).ravel() for spec in self.tensors]
        vector = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        if vector.size != self.size:
            raise WrongLength(expected=self.size, received=vector.size)
        return vector


@dataclass(frozen=True)
class LocalRound:
    """One site's part of a round: its `number` in the TUNE, from 1, and the 32-byte `seed` of all that it draws."""

    number: int
    seed: bytes


@dataclass(frozen=True)
class TrainOutcome:
    """`parameters` `(size,)` after local training; `weight`: training rows; `counters`: of the training layout.

    `notes`: lines about the training for the site's own log, and for nothing else.
    """

    parameters: Vector
    weight: int
    counters: Counters
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """An ONNX model as bytes, with what is known of it without measuring."""

    model: bytes
    size_bytes: int
    parameters: int
    max_abs_difference: float
    """Largest absolute difference of its logits (fp32, before quantization) from the framework's, on a
    synthetic batch.
    """


class ModelSide(Protocol):
    """The coordinator's half. Everything is a pure function of its arguments."""

    def check(self, study: Study) -> None:
        """Raise a typed error where the study's model, schema, parameters or metrics do not fit this workload."""
        ...

    def metrics(self, study: Study) -> tuple[str, ...]:
        """Metrics that `score` yields for `study`, for example accuracy, balanced_accuracy, auroc, loss."""
        ...

    def layout(self, study: Study, tune: Values) -> ParameterLayout:
        """The tensors of the model that `tune` describes."""
        ...

    def initial(self, study: Study, tune: Values, seed: bytes) -> Vector:
        """Initial weights `(layout.size,)` from a 32-byte seed; never all zeros."""
        ...

    def constants_layout(self, study: Study) -> CounterLayout:
        """What is summed once per study; holds at least `rows` (train rows) and `classes`."""
        ...

    def train_layout(self, study: Study) -> CounterLayout:
        """Counters that come with an update, for example the loss sum; the weight is not among them."""
        ...

    def evaluate_layout(self, study: Study) -> CounterLayout:
        """Counters of one evaluated model."""
        ...

    def calibrate_layout(self, study: Study, configuration: Configuration) -> CounterLayout:
        """Log-spaced histograms of the activations of the variant's fp32 model; empty where nothing is calibrated."""
        ...

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Metrics with standard errors from summed evaluation counters."""
        ...

    def shape_key(self, study: Study, configuration: Configuration) -> str:
        """Hash of all that latency, energy, memory and size depend on (not the weights, not session options).

        Variants of one tuned model that have one key are one model: what of `deploy` changes answers alone is in it.
        """
        ...

    def exact_figures(self, study: Study, configuration: Configuration) -> Mapping[str, float]:
        """What of `size_mb` and `parameters` follows from the shape within about a millisecond, as `export` has it.

        It is asked for each shape that a sampler considers; a figure that is left out is learned from trials.
        """
        ...

    def export(
        self,
        study: Study,
        configuration: Configuration,
        parameters: Vector,
        constants: Counters,
        histograms: Counters | None,
    ) -> Exported:
        """Prune, export and quantize; logits only; normalisation folded in. int8-static needs `histograms`."""
        ...

    def export_calibration(
        self, study: Study, configuration: Configuration, parameters: Vector, constants: Counters
    ) -> bytes:
        """The variant's fp32 model with the activations to be watched as further outputs."""
        ...

    def probe_histograms(self, study: Study, configuration: Configuration) -> Counters:
        """Plausible histograms for a shape that was never trained."""
        ...

    def probe_constants(self, study: Study) -> Counters:
        """Plausible constants for a shape that was never trained."""
        ...

    def probe_inputs(self, study: Study, rows: int) -> NDArray[np.float32] | NDArray[np.int64]:
        """Synthetic inputs `(rows, ...)` in the exported model's input form, numbers or token ids; always the same."""
        ...


class SiteSide(Protocol):
    """A site's half; runs in a child without keys or network. `data` is what `load` returned."""

    def load(self, path: Path, study: Study) -> Any:
        """Read, validate against the study's schema, split as the study says (keyed hash, stratified; or as published).

        Raises:
            DataError subclasses: file missing, empty, another schema. Never with a path or a value in the text.
        """
        ...

    def constants(self, data: Any, study: Study) -> Counters:
        """The site's share of `constants_layout`, over training rows."""
        ...

    def train(
        self, data: Any, study: Study, tune: Values, parameters: Vector, constants: Counters, at: LocalRound
    ) -> TrainOutcome:
        """Local training from the broadcast `parameters`; the same arguments give the same bits."""
        ...

    def evaluate(
        self, data: Any, study: Study, tune: Values, parameters: Vector, constants: Counters, split: Split
    ) -> Counters:
        """Counters of the received global model in the training framework."""
        ...

    def evaluate_model(self, data: Any, study: Study, model: bytes, split: Split) -> Counters:
        """Counters of an ONNX model in onnxruntime."""
        ...

    def calibrate(self, data: Any, study: Study, configuration: Configuration, model: bytes) -> Counters:
        """Activation histograms of a calibration model over training rows."""
        ...


@runtime_checkable
class ShipsFiles(Protocol):
    """A coordinator's half whose exported models are of no use alone."""

    def companions(self, study: Study) -> Mapping[str, bytes]:
        """Files that travel with every exported pick of `study`, by name: `tokenizer.json`."""
        ...


@runtime_checkable
class CountsParameters(Protocol):
    """A coordinator's half whose networks have more parameters than are trained; of the others all are."""

    def total_parameters(self, study: Study, tune: Values) -> int:
        """Of the network as it is trained: what stays as it was, what training adds, heads."""
        ...


@runtime_checkable
class EstimatesMemory(Protocol):
    """A site's half whose trainings are large enough to ask beforehand whether they fit."""

    def training_bytes(self, study: Study, tune: Values) -> int:
        """Bytes that a training's process takes at most; the site's daemon asks, which has no framework and no data."""
        ...


@dataclass(frozen=True)
class Workload:
    """A registered workload.

    `version` rises whenever the same study would give other bits; it is part of the study's hash.
    """

    name: str
    version: int
    model_side: ModelSide
    site_side: SiteSide

    def describe(self) -> Json:
        """Name and version."""
        return {"name": self.name, "version": self.version}
