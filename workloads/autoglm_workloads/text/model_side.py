"""The coordinator's half of every text workload.

A variant is the tuned model with what can be multiplied into its weights (LoRA, IA3) multiplied in, as an ONNX graph
from token numbers to logits. What latency depends on is the model, its length, what stays beside the weights and the
number format; not the rank of a LoRA that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.language_graph import export_language
from autoglm_compression.models.language_quantize import quantize_language
from autoglm_compression.models.metadata import annotate
from autoglm_core.canonical import canonical_json, json_digest
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.workload import Exported, ParameterLayout, Vector
from autoglm_workloads.models.shelf import TOKENIZER
from autoglm_workloads.seeding import generator
from autoglm_workloads.site_figures import FRACTION
from autoglm_workloads.text.data.quality import QUALITY_LAYOUT
from autoglm_workloads.text.fitness import check_text_study
from autoglm_workloads.text.initial import initial
from autoglm_workloads.text.layout import text_layout, text_skeleton
from autoglm_workloads.text.methods import method_layout
from autoglm_workloads.text.model_options import model_options, text_model
from autoglm_workloads.text.networks import heads_of, network_of, study_seed
from autoglm_workloads.text.sizes import BESIDE, ParameterCounts, parameter_counts
from autoglm_workloads.text.tasks.api import TextTask
from autoglm_workloads.text.training.adaptive.tally import statistics_layout
from autoglm_workloads.text.tuning_options import Method

if TYPE_CHECKING:
    from autoglm_core.study import Study

NOTES = "autoglm.notes"
"""Key of what decides beside the logits, in the exported model."""
QUALITY_CONSTANTS = CounterLayout((*QUALITY_LAYOUT.fields, CounterField("cut")))


@dataclass(frozen=True)
class TextModelSide:
    """Layouts, initial weights, variants and scores of one text task."""

    task: TextTask
    version: int

    def check(self, study: Study) -> None:
        """Raise `StudyError` where the study does not fit this workload."""
        check_text_study(study, self.task)

    def metrics(self, study: Study) -> tuple[str, ...]:
        """All that the task yields."""
        return self.task.names(study).metrics

    def layout(self, study: Study, tune: Values) -> ParameterLayout:
        """What is trained: the method's tensors and the head's."""
        return text_layout(text_model(study).description, Method().updated(tune), heads_of(self.task, study, tune))

    def initial(self, study: Study, tune: Values, seed: bytes) -> Vector:
        """Pretrained values where they are trained, and a small jitter on everything."""
        heads = heads_of(self.task, study, tune)
        return initial(text_model(study), Method().updated(tune), heads, study_seed=study_seed(study), seed=seed)

    def constants_layout(self, study: Study) -> CounterLayout:
        """The task's, and the quality of the texts."""
        return self.task.constants_layout(study) + QUALITY_CONSTANTS

    def train_layout(self, study: Study) -> CounterLayout:
        """Loss over the units (rows or tokens) of the last epoch, and statistics of the gradients."""
        loss = CounterLayout((CounterField("loss_sum", (), FRACTION), CounterField("units")))
        return loss + statistics_layout()

    def evaluate_layout(self, study: Study) -> CounterLayout:
        """The task's."""
        return self.task.evaluation_layout(study)

    def calibrate_layout(self, study: Study, configuration: Configuration) -> CounterLayout:
        """Nothing is calibrated: int8 is dynamic."""
        return CounterLayout(())

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Metrics with standard errors."""
        return self.task.score(counters, split)

    def shape_key(self, study: Study, configuration: Configuration) -> str:
        """Hash of the graph, of its number format, and of how its logits are decoded."""
        heads, names = heads_of(self.task, study, configuration.tune), self.task.names(study)
        return json_digest(
            {
                "graph": self._graph_key(study, configuration.tune),
                "workload": self.task.name,
                "version": self.version,
                "quantization": _quantization(configuration),
                "crf": [heads[name].crf for name in sorted(heads)],
                "decoded": {name: configuration.deploy.get(name) for name in names.deploy},
                "trained_as": {name: configuration.tune.get(name) for name in names.tune},
            }
        )

    def exact_figures(self, study: Study, configuration: Configuration) -> dict[str, float]:
        """Parameters; how large a file is shows once it is made."""
        return {"parameters": float(self._counts(study, configuration.tune).answering)}

    def total_parameters(self, study: Study, tune: Values) -> int:
        """The pretrained model's, the method's and the heads'."""
        return self._counts(study, tune).total

    def companions(self, study: Study) -> dict[str, bytes]:
        """The tokenizer of the study's model.

        Raises:
            ModelMissing: the model is not on this machine's shelf any more.
        """
        return {TOKENIZER: text_model(study).tokenizer.read_bytes()}

    def export(
        self,
        study: Study,
        configuration: Configuration,
        parameters: Vector,
        constants: Counters,
        histograms: Counters | None,
    ) -> Exported:
        """The variant as ONNX, checked against torch before it is quantized; its notes inside."""
        network = network_of(self.task, study, configuration.tune)
        network.load(parameters)
        description = network.description
        graph = export_language(
            network.merged_answer(),
            length=model_options(study).max_length,
            vocabulary=description.vocabulary,
            pad=description.pad,
            key=self._graph_key(study, configuration.tune),
        )
        model = graph.model if _quantization(configuration) == "none" else quantize_language(graph.model)
        notes = self.task.notes(study, configuration, network.layout.split(parameters))
        model = annotate(model, NOTES, canonical_json(notes).decode())
        count = round(self.exact_figures(study, configuration)["parameters"])
        return Exported(model, len(model), count, graph.max_abs_difference)

    def export_calibration(
        self, study: Study, configuration: Configuration, parameters: Vector, constants: Counters
    ) -> bytes:
        """The float model: there is nothing to watch."""
        plain = Configuration(configuration.tune, {**configuration.deploy, "quantization": "none"})
        return self.export(study, plain, parameters, constants, None).model

    def probe_histograms(self, study: Study, configuration: Configuration) -> Counters:
        """None."""
        return {}

    def probe_constants(self, study: Study) -> Counters:
        """The task's, of texts that all were kept."""
        nothing = {field.name: np.zeros(field.shape) for field in QUALITY_CONSTANTS.fields}
        return {**self.task.probe_constants(study), **nothing}

    def probe_inputs(self, study: Study, rows: int) -> NDArray[Any]:
        """Texts of full length `(rows, max_length)` int64, every token as likely."""
        description, length = text_model(study).description, model_options(study).max_length
        ids = generator(b"probe", "tokens").integers(0, description.vocabulary, (rows, length), np.int64)
        return np.where(ids == description.pad, (description.pad + 1) % description.vocabulary, ids)

    def _counts(self, study: Study, tune: Values) -> ParameterCounts:
        heads = heads_of(self.task, study, tune)
        return parameter_counts(text_model(study).description, Method().updated(tune), heads)

    def _graph_key(self, study: Study, tune: Values) -> str:
        """Hash of all that the exported graph depends on, its weights left out."""
        method, heads = Method().updated(tune), heads_of(self.task, study, tune)
        beside = method_layout(
            text_skeleton(text_model(study).description, heads),
            method,
            architecture=text_model(study).description.architecture,
        )
        kept = beside if method.method in BESIDE else ()
        return json_digest(
            {
                "content": model_options(study).content,
                "length": model_options(study).max_length,
                "beside": [[tensor.name, list(tensor.shape)] for tensor in kept],
                "heads": [[heads[name].kind, heads[name].outputs, heads[name].pooling] for name in sorted(heads)],
            }
        )


def _quantization(configuration: Configuration) -> str:
    return str(configuration.deploy.get("quantization", "none"))
