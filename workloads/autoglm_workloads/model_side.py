"""The coordinator's half of the chain classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.calibrate import histogram_layout, plausible_histograms, ranges
from autoglm_compression.models.chain import Array, Chain, fold_input
from autoglm_compression.models.dynamic_graph import dynamic_model
from autoglm_compression.models.float_graph import float_model
from autoglm_compression.models.numerics import check_numerics, torch_logits
from autoglm_compression.models.prune import prune, pruned_chain
from autoglm_compression.models.static_graph import static_model
from autoglm_core.canonical import json_digest
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.study_error import StudyError
from autoglm_core.workload import Exported, ParameterLayout, ParameterSpec, Vector
from autoglm_workloads import classification
from autoglm_workloads.family import Family, Normalisation
from autoglm_workloads.fitness import check_study
from autoglm_workloads.seeding import initial_parameters
from autoglm_workloads.site_figures import FRACTION
from autoglm_workloads.training import single_thread

if TYPE_CHECKING:
    from autoglm_core.study import Study

NUMERICS_ROWS = 64


def chain_layout(chain: Chain) -> ParameterLayout:
    """The chain's tensors as parameters, all of them averaged."""
    return ParameterLayout(tuple(ParameterSpec(name, shape) for name, shape in chain.shapes.items()))


@dataclass(frozen=True)
class ClassifierModelSide:
    """Shapes, initial weights, variants and scores of the chains of one family of data."""

    family: Family

    def check(self, study: Study) -> None:
        """Raise `StudyError` where the study does not fit this workload."""
        check_study(study, self.family)

    def metrics(self, study: Study) -> tuple[str, ...]:
        """All that a classifier may be judged by; `auroc` with two classes only."""
        return classification.BINARY_METRICS

    def layout(self, study: Study, tune: Values) -> ParameterLayout:
        """The chain's tensors in order."""
        return chain_layout(self.family.chain(study, tune))

    def initial(self, study: Study, tune: Values, seed: bytes) -> Vector:
        """He-normal weights, zero biases."""
        chain = self.family.chain(study, tune)
        return initial_parameters(chain, chain_layout(chain), seed)

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows, rows by class, and what the family's normalisation needs."""
        return self.family.constants_layout(study)

    def train_layout(self, study: Study) -> CounterLayout:
        """`loss_sum`: training loss summed over the rows of the last local epoch."""
        return CounterLayout((CounterField("loss_sum", (), FRACTION),))

    def evaluate_layout(self, study: Study) -> CounterLayout:
        """Confusion matrix, losses, per-site accuracy and, with two classes, score histograms."""
        return classification.evaluation_layout(self.family.classes(study))

    def calibrate_layout(self, study: Study, configuration: Configuration) -> CounterLayout:
        """One log-spaced histogram for the input of each layer that may be int8."""
        return histogram_layout(self.family.quantizable(self.family.chain(study, configuration.tune)))

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Metrics with standard errors."""
        return classification.score(counters, split)

    def shape_key(self, study: Study, configuration: Configuration) -> str:
        """Hash of the pruned chain and its number format."""
        chain = pruned_chain(self.family.chain(study, configuration.tune), _fraction(configuration))
        filled = self.family.normalisation(study, self.family.probe_constants(study)).impute
        return json_digest(
            {
                "workload": self.family.name,
                "version": self.family.version,
                "chain": chain.to_json(),
                "quantization": _quantization(configuration) if self.family.quantizable(chain) else "none",
                "impute": filled,
            }
        )

    def exact_figures(self, study: Study, configuration: Configuration) -> dict[str, float]:
        """Size and parameters, of a variant whose weights are all 0: neither depends on them."""
        chain = pruned_chain(self.family.chain(study, configuration.tune), _fraction(configuration))
        layout = chain_layout(chain)
        tensors = layout.split(np.zeros(layout.size, np.float32))
        variant = _Variant(chain, tensors, self.family.normalisation(study, self.family.probe_constants(study)))
        histograms = self.probe_histograms(study, configuration)
        model = self._quantized(variant, _quantization(configuration), histograms) or variant.plain
        return {"size_mb": len(model) / 1e6, "parameters": float(layout.size)}

    def export(
        self,
        study: Study,
        configuration: Configuration,
        parameters: Vector,
        constants: Counters,
        histograms: Counters | None,
    ) -> Exported:
        """The variant as ONNX, checked against torch before it is quantized."""
        variant = self._variant(study, configuration, parameters, constants)
        plain = variant.plain
        difference = variant.check(plain, self.probe_inputs(study, NUMERICS_ROWS))
        model = self._quantized(variant, _quantization(configuration), histograms) or plain
        count = sum(array.size for array in variant.tensors.values())
        return Exported(model, len(model), count, difference)

    def export_calibration(
        self, study: Study, configuration: Configuration, parameters: Vector, constants: Counters
    ) -> bytes:
        """The variant's float model with the inputs of its quantizable layers as further outputs."""
        variant = self._variant(study, configuration, parameters, constants)
        watch = self.family.quantizable(variant.chain)
        model = float_model(variant.chain, variant.folded, fill=variant.normalisation.fill, watch=watch)
        return bytes(model.SerializeToString())

    def probe_histograms(self, study: Study, configuration: Configuration) -> Counters:
        """Histograms with magnitudes about 1."""
        chain = self.family.chain(study, configuration.tune)
        return plausible_histograms(chain, self.family.quantizable(chain))

    def probe_constants(self, study: Study) -> Counters:
        """Constants of a standardised cohort."""
        return self.family.probe_constants(study)

    def probe_inputs(self, study: Study, rows: int) -> Array:
        """Synthetic raw inputs `(rows, *input_shape)`."""
        return self.family.probe_inputs(study, rows)

    def _variant(self, study: Study, configuration: Configuration, parameters: Vector, constants: Counters) -> _Variant:
        chain = self.family.chain(study, configuration.tune)
        tensors = chain_layout(chain).split(parameters)
        smaller, kept = prune(chain, tensors, _fraction(configuration))
        return _Variant(smaller, kept, self.family.normalisation(study, constants))

    def _quantized(self, variant: _Variant, quantization: str, histograms: Counters | None) -> bytes | None:
        layers = self.family.quantizable(variant.chain)
        fill = variant.normalisation.fill
        if quantization == "int8-dynamic":
            return bytes(dynamic_model(variant.chain, variant.folded, quantized=layers, fill=fill).SerializeToString())
        if quantization == "int8-static":
            if histograms is None:
                raise StudyError(("search", "deploy", "quantization"), "int8-static needs calibration histograms")
            found = ranges(histograms, layers)
            return bytes(static_model(variant.chain, variant.folded, found, fill=fill).SerializeToString())
        return None


@dataclass(frozen=True)
class _Variant:
    """A pruned chain with its tensors, before normalisation is folded in."""

    chain: Chain
    tensors: dict[str, Array]
    normalisation: Normalisation

    @property
    def folded(self) -> dict[str, Array]:
        """Tensors for raw inputs."""
        return fold_input(
            self.chain, self.tensors, mean=self.normalisation.mean, deviation=self.normalisation.deviation
        )

    @property
    def plain(self) -> bytes:
        """As an ONNX model in floating point."""
        return bytes(float_model(self.chain, self.folded, fill=self.normalisation.fill).SerializeToString())

    def check(self, model: bytes, inputs: Array) -> float:
        """Difference of the folded float `model` on raw `inputs` from torch on normalised ones."""
        with single_thread():
            expected = torch_logits(self.chain, self.tensors, self.normalisation.apply(inputs))
        return check_numerics(model, inputs, expected)


def _fraction(configuration: Configuration) -> float:
    return float(configuration.deploy.get("prune", 0.0))


def _quantization(configuration: Configuration) -> str:
    return str(configuration.deploy.get("quantization", "none"))
