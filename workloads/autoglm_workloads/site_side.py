"""A site's half of the chain classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.calibrate import collect
from autoglm_compression.models.numerics import model_logits, torch_logits
from autoglm_compression.models.session import open_session
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import Counters
from autoglm_core.measurement import Split
from autoglm_core.workload import LocalRound, TrainOutcome, Vector
from autoglm_workloads import classification
from autoglm_workloads.family import Family, LabelledRows
from autoglm_workloads.model_side import chain_layout
from autoglm_workloads.training import single_thread, train_chain

if TYPE_CHECKING:
    from autoglm_core.study import Study

CALIBRATION_ROWS = 2048
"""More rows sharpen a 99.99 % range no further, and cost time at every site."""


@dataclass(frozen=True)
class ClassifierSiteSide:
    """Loads, trains, evaluates and calibrates the chains of one family of data."""

    family: Family

    def load(self, path: Path, study: Study) -> LabelledRows:
        """The site's rows, split."""
        import torch  # noqa: F401  now, so that no training is charged with it

        return self.family.load(path, study)

    def constants(self, data: LabelledRows, study: Study) -> Counters:
        """Row and class counts and sums for normalisation, over training rows."""
        return self.family.constants(data, study)

    def train(
        self, data: LabelledRows, study: Study, tune: Values, parameters: Vector, constants: Counters, at: LocalRound
    ) -> TrainOutcome:
        """Train for `local_epochs` from `parameters`; weight is the number of training rows."""
        chain = self.family.chain(study, tune)
        inputs, labels = data.of(Split.TRAIN)
        trained, loss_sum = train_chain(
            chain,
            chain_layout(chain),
            parameters,
            inputs=self.family.normalisation(study, constants).apply(inputs),
            labels=labels,
            options=self.family.defaults.updated(tune),
            seed=at.seed,
        )
        return TrainOutcome(trained, int(labels.size), {"loss_sum": np.array(loss_sum)})

    def evaluate(
        self, data: LabelledRows, study: Study, tune: Values, parameters: Vector, constants: Counters, split: Split
    ) -> Counters:
        """Classification counters of `parameters` in torch."""
        chain = self.family.chain(study, tune)
        inputs, labels = data.of(split)
        tensors = chain_layout(chain).split(parameters)
        with single_thread():
            logits = torch_logits(chain, tensors, self.family.normalisation(study, constants).apply(inputs))
        return classification.count(logits, labels)

    def evaluate_model(self, data: LabelledRows, study: Study, model: bytes, split: Split) -> Counters:
        """Classification counters of an ONNX model."""
        inputs, labels = data.of(split)
        return classification.count(model_logits(open_session(model), inputs), labels)

    def calibrate(self, data: LabelledRows, study: Study, configuration: Configuration, model: bytes) -> Counters:
        """Activation histograms over at most 2048 training rows, spread evenly."""
        inputs, _ = data.of(Split.TRAIN)
        step = -(-len(inputs) // CALIBRATION_ROWS)
        layers = self.family.quantizable(self.family.chain(study, configuration.tune))
        return collect(model, inputs[:: max(step, 1)], layers)
