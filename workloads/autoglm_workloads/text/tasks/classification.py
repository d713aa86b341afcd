"""A class for each text, or each pair of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.study_error import StudyError
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import TextLabel
from autoglm_core.workload import Vector
from autoglm_workloads import classification
from autoglm_workloads.text.batching import row_logits
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.model_options import model_options
from autoglm_workloads.text.tasks.api import Lesson, Names, Predictor, Prepared
from autoglm_workloads.text.tasks.single import SingleTask
from autoglm_workloads.text.training.class_weights import class_weights

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_core.study import Study
    from autoglm_workloads.models.description import Description
    from autoglm_workloads.text.data.rows import TextRows
    from autoglm_workloads.text.network import Network
    from autoglm_workloads.text.tokens import Tokens
    from autoglm_workloads.text.training.job import Loss
    from autoglm_workloads.text.training.options import TextOptions

PROBE_ROWS = 100.0


@dataclass(frozen=True)
class Classification(SingleTask):
    """One linear layer on the pooled state of a text."""

    name: str = "text-classification"

    def names(self, study: Study) -> Names:
        """Metrics of a classifier; AUROC of two classes only."""
        two = len(_label(study).classes) == 2
        return Names(classification.BINARY_METRICS if two else classification.METRICS)

    def check(self, study: Study) -> None:
        """A schema with a label; AUROC of two classes only."""
        classes = len(_label(study).classes)
        if "auroc" in study.metrics and classes != 2:
            raise StudyError(("objectives",), "auroc needs exactly two classes", nearest="balanced_accuracy")

    def check_values(self, study: Study, tune: Values, deploy: Values) -> None:
        """There are none of its own."""

    def head(self, study: Study, tune: Values, description: Description) -> HeadSpec:
        """On the mean state of an encoder, on the last one of a decoder, if the study does not say."""
        pooling = model_options(study).pooling or ("last" if description.decoder else "mean")
        return HeadSpec("pooled", len(_label(study).classes), pooling)

    def prepare(self, rows: TextRows, tokens: Tokens, study: Study) -> Prepared:
        """`targets` `(rows,)`: the class of each row."""
        encoded = tokens.texts(rows.texts, rows.pairs)
        counted = {**rows.quality.counters(), "cut": np.array(float(encoded.cut))}
        return Prepared(encoded.ids, rows.labels, rows.splits, counted, tokens)

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows and rows by class."""
        return CounterLayout((CounterField("rows"), CounterField("classes", (len(_label(study).classes),))))

    def constants(self, data: Prepared, study: Study) -> Counters:
        """Of the training rows."""
        labels = data.targets[data.splits.train]
        classes = np.bincount(labels, minlength=len(_label(study).classes)).astype(np.float64)
        return {"rows": np.array(float(labels.size)), "classes": classes}

    def probe_constants(self, study: Study) -> Counters:
        """Classes of equal size."""
        classes = np.full(len(_label(study).classes), PROBE_ROWS)
        return {"rows": np.array(classes.sum()), "classes": classes}

    def lesson(self, data: Prepared, study: Study, tune: Values, options: TextOptions, constants: Counters) -> Lesson:
        """Cross-entropy or focal loss, with weights from the classes of the whole cohort."""
        weights = class_weights(np.asarray(constants["classes"]), options.class_weights)

        def loss(network: Network, ids: Tensor, targets: Tensor) -> Loss:
            import torch

            from autoglm_workloads.text.training.losses import classification_loss

            scale = None if weights is None else torch.from_numpy(weights).to(ids.device)
            return classification_loss(network(ids, self.head_name), targets, options, weights=scale)

        return Lesson(lambda rows: data.targets[rows], loss)

    def evaluation_layout(self, study: Study) -> CounterLayout:
        """Confusion matrix, losses, per-site accuracy and, with two classes, score histograms."""
        return classification.evaluation_layout(len(_label(study).classes))

    def count(self, predictor: Predictor, data: Prepared, study: Study, split: Split) -> Counters:
        """Classification counters."""
        found = [(logits, data.targets[row]) for row, _, logits in row_logits(predictor.logits, data, split)]
        classes = len(_label(study).classes)
        logits = np.array([row for row, _ in found], np.float32).reshape(-1, classes)
        return classification.count(logits, np.array([label for _, label in found], np.int64))

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Metrics with standard errors."""
        return classification.score(counters, split)

    def units(self, counters: Counters) -> float:
        """Texts that the loss is the mean over."""
        return float(counters["rows"])

    def notes(self, study: Study, configuration: Configuration, tensors: Mapping[str, Vector]) -> Json:
        """The logits decide alone."""
        return {}


def _label(study: Study) -> TextLabel:
    if not isinstance(study.schema, TextSchema) or not isinstance(study.schema.target, TextLabel):
        raise StudyError(("schema",), "text-classification needs a text schema with a label")
    return study.schema.target
