"""A workload without work: a seeded pseudo-random update over any number of parameters.

It measures what a deployment costs apart from training (transfer, masking, store, scheduling), and lets a new
deployment be tried before data is there. `model_options.parameters` sets the size; the model multiplies its one input
by the mean of its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.numerics import check_numerics, model_logits
from autoglm_compression.models.session import open_session
from autoglm_core.canonical import json_digest
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_core.study_error import StudyError
from autoglm_core.workload import Exported, LocalRound, ParameterLayout, ParameterSpec, TrainOutcome, Vector, Workload
from autoglm_workloads.errors import NothingCounted
from autoglm_workloads.seeding import generator
from autoglm_workloads.site_figures import FRACTION

if TYPE_CHECKING:
    from autoglm_core.study import Study

DEFAULT_PARAMETERS = 1000
BLOCK = 65536
"""Random values are drawn for one block and repeated: drawing them all would be work."""
STEP = 1e-3
ROWS = 100


def parameter_count(study: Study) -> int:
    """`model_options.parameters`, a whole number of at least 1."""
    count = study.model_options.get("parameters", DEFAULT_PARAMETERS)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise StudyError(("model_options", "parameters"), "must be a whole number of at least 1")
    return count


def _noise(seed: bytes, purpose: str, size: int) -> Vector:
    """`(size,)` values in [-1, 1), one block repeated."""
    block = generator(seed, purpose).random(min(size, BLOCK), dtype=np.float32) * 2 - 1
    return np.resize(block, size)


@dataclass(frozen=True)
class SyntheticModelSide:
    """One vector of parameters, one number out."""

    def check(self, study: Study) -> None:
        """Raise `StudyError` where the size is no whole number."""
        parameter_count(study)

    def metrics(self, study: Study) -> tuple[str, ...]:
        """`loss`: absolute mean of the parameters."""
        return ("loss",)

    def layout(self, study: Study, tune: Values) -> ParameterLayout:
        """One tensor."""
        return ParameterLayout((ParameterSpec("parameters", (parameter_count(study),)),))

    def initial(self, study: Study, tune: Values, seed: bytes) -> Vector:
        """Uniform in [-1, 1)."""
        return _noise(seed, "initial", parameter_count(study))

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows, in one class."""
        return CounterLayout((CounterField("rows"), CounterField("classes", (1,))))

    def train_layout(self, study: Study) -> CounterLayout:
        """A loss that means nothing."""
        return CounterLayout((CounterField("loss_sum", (), FRACTION),))

    def evaluate_layout(self, study: Study) -> CounterLayout:
        """Rows and their loss."""
        return CounterLayout((CounterField("rows"), CounterField("loss_sum", (), FRACTION)))

    def calibrate_layout(self, study: Study, configuration: Configuration) -> CounterLayout:
        """Nothing is calibrated."""
        return CounterLayout(())

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Mean loss; its standard error is 0, as every row has the same."""
        rows = float(counters["rows"])
        if rows <= 0:
            raise NothingCounted(split=str(split))
        return {"loss": Measurement(float(counters["loss_sum"]) / rows, 0.0, round(rows), Provenance.SECURE_SUM, split)}

    def shape_key(self, study: Study, configuration: Configuration) -> str:
        """Hash of the size and of what stands under `deploy`: variants that differ in nothing count as different."""
        deploy = {name: value for name, value in configuration.deploy.items() if name != "threads"}
        return json_digest({"workload": "synthetic", "parameters": parameter_count(study), "deploy": deploy})

    def exact_figures(self, study: Study, configuration: Configuration) -> dict[str, float]:
        """The number of parameters; a graph is as dear to make as it is large, and sizes are learned from trials."""
        return {"parameters": float(parameter_count(study))}

    def export(
        self,
        study: Study,
        configuration: Configuration,
        parameters: Vector,
        constants: Counters,
        histograms: Counters | None,
    ) -> Exported:
        """A graph of two nodes that holds all the parameters."""
        model = _graph(parameters)
        inputs = self.probe_inputs(study, 4)
        difference = check_numerics(model, inputs, (inputs * parameters.mean(dtype=np.float64)).astype(np.float32))
        return Exported(model, len(model), parameters.size, difference)

    def export_calibration(
        self, study: Study, configuration: Configuration, parameters: Vector, constants: Counters
    ) -> bytes:
        """The same graph: there is nothing to watch."""
        return _graph(parameters)

    def probe_histograms(self, study: Study, configuration: Configuration) -> Counters:
        """None."""
        return {}

    def probe_constants(self, study: Study) -> Counters:
        """One site's."""
        return {"rows": np.array(float(ROWS)), "classes": np.array([float(ROWS)])}

    def probe_inputs(self, study: Study, rows: int) -> NDArray[np.float32]:
        """Ones `(rows, 1)`."""
        return np.ones((rows, 1), np.float32)


@dataclass(frozen=True)
class SyntheticSiteSide:
    """A site that needs no file: every site has 60 training, 20 validation and 20 test rows of 1.0."""

    def load(self, path: Path, study: Study) -> dict[Split, int]:
        """Rows by split; `path` is not read."""
        return {Split.TRAIN: ROWS * 60 // 100, Split.VALIDATION: ROWS * 20 // 100, Split.TEST: ROWS * 20 // 100}

    def constants(self, data: dict[Split, int], study: Study) -> Counters:
        """Training rows."""
        rows = float(data[Split.TRAIN])
        return {"rows": np.array(rows), "classes": np.array([rows])}

    def train(
        self,
        data: dict[Split, int],
        study: Study,
        tune: Values,
        parameters: Vector,
        constants: Counters,
        at: LocalRound,
    ) -> TrainOutcome:
        """A step of at most 0.001 in each parameter, from the round's seed."""
        moved = parameters + np.float32(STEP) * _noise(at.seed, "update", parameters.size)
        return TrainOutcome(moved, data[Split.TRAIN], {"loss_sum": np.array(0.0)})

    def evaluate(
        self,
        data: dict[Split, int],
        study: Study,
        tune: Values,
        parameters: Vector,
        constants: Counters,
        split: Split,
    ) -> Counters:
        """Rows and loss of `split`."""
        return _counted(data[split], abs(float(parameters.mean(dtype=np.float64))))

    def evaluate_model(self, data: dict[Split, int], study: Study, model: bytes, split: Split) -> Counters:
        """The same from a graph."""
        logits = model_logits(open_session(model), np.ones((1, 1), np.float32))
        return _counted(data[split], abs(float(logits[0, 0])))

    def calibrate(self, data: dict[Split, int], study: Study, configuration: Configuration, model: bytes) -> Counters:
        """Nothing."""
        return {}


def _counted(rows: int, loss: float) -> Counters:
    return {"rows": np.array(float(rows)), "loss_sum": np.array(rows * loss)}


def _graph(parameters: Vector) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("ReduceMean", ["parameters"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["input", "mean"], ["logits"]),
    ]
    inputs = [value("input", TensorProto.FLOAT, ["batch", 1])]
    outputs = [value("logits", TensorProto.FLOAT, ["batch", 1])]
    held = [numpy_helper.from_array(parameters, "parameters")]
    graph = helper.make_graph(nodes, "autoglm", inputs, outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


WORKLOAD = Workload(name="synthetic", version=1, model_side=SyntheticModelSide(), site_side=SyntheticSiteSide())
