"""Classification of small images by three 3 x 3 convolutions, two of them pooled, and one dense layer.

No BatchNorm: its buffers neither average over label-skewed sites nor prune. Label smoothing is on by default: over such
sites it takes a third off the error of federated averaging at no cost (measured on digits, 4 Dirichlet(0.5) sites,
width 16, 10 rounds: accuracy 0.971 without, 0.981 with it).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.models.chain import Array, Chain, Convolution, Dense
from autoglm_core.configuration import Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Split
from autoglm_core.schema import ImageSchema
from autoglm_core.study_error import StudyError
from autoglm_core.workload import Workload
from autoglm_workloads.family import LabelledRows, Normalisation
from autoglm_workloads.fitness import whole_option
from autoglm_workloads.image_data import read_images
from autoglm_workloads.model_side import ClassifierModelSide
from autoglm_workloads.seeding import generator
from autoglm_workloads.site_side import ClassifierSiteSide
from autoglm_workloads.training_options import TrainingOptions

if TYPE_CHECKING:
    from autoglm_core.study import Study

DEFAULT_WIDTH = 16
DEFAULTS = TrainingOptions(label_smoothing=0.1)
SMALLEST_SIDE = 4
"""Two poolings must leave a position."""
PROBE_ROWS = 100.0


@dataclass(frozen=True)
class ImageFamily:
    """Images of one declared size."""

    name: str = "image-classification"
    version: int = 1
    models: tuple[str, ...] = ("small-cnn",)
    defaults: TrainingOptions = DEFAULTS

    def check_schema(self, study: Study) -> None:
        """Images of at least 4 x 4."""
        schema = _schema(study)
        if min(schema.height, schema.width) < SMALLEST_SIDE:
            raise StudyError(("schema", "height"), "images must be at least 4 x 4")

    def classes(self, study: Study) -> int:
        """Of the label."""
        return len(_schema(study).classes)

    def chain(self, study: Study, tune: Values) -> Chain:
        """Convolutions of `width`, 2 x `width` and 2 x `width` channels."""
        schema = _schema(study)
        width = whole_option(study, tune, "width", default=DEFAULT_WIDTH)
        convolutions = (
            Convolution("conv1", schema.channels, width),
            Convolution("conv2", width, 2 * width, pool=2),
            Convolution("conv3", 2 * width, 2 * width, pool=2),
        )
        rows, columns = schema.height, schema.width
        for layer in convolutions:
            rows, columns = layer.span(rows), layer.span(columns)
        head = Dense("head", 2 * width * rows * columns, self.classes(study))
        return Chain((schema.channels, schema.height, schema.width), (*convolutions, head))

    def quantizable(self, chain: Chain) -> tuple[str, ...]:
        """Every layer."""
        return tuple(layer.name for layer in chain.layers)

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows and rows by class."""
        return CounterLayout((CounterField("rows"), CounterField("classes", (self.classes(study),))))

    def constants(self, data: LabelledRows, study: Study) -> Counters:
        """Of the training rows."""
        _, labels = data.of(Split.TRAIN)
        classes = np.bincount(labels, minlength=self.classes(study)).astype(np.float64)
        return {"rows": np.array(float(labels.size)), "classes": classes}

    def probe_constants(self, study: Study) -> Counters:
        """Classes of equal size."""
        classes = np.full(self.classes(study), PROBE_ROWS)
        return {"rows": np.array(classes.sum()), "classes": classes}

    def normalisation(self, study: Study, constants: Counters) -> Normalisation:
        """Division by the schema's scale: a mean would not survive the zeros of padding."""
        return Normalisation(np.zeros((), np.float32), np.array(_schema(study).scale, np.float32))

    def probe_inputs(self, study: Study, rows: int) -> Array:
        """Whole numbers from 0 to the schema's scale, every one as likely."""
        schema = _schema(study)
        shape = (rows, schema.channels, schema.height, schema.width)
        return np.floor(generator(b"probe", "inputs").random(shape) * (schema.scale + 1)).astype(np.float32)

    def load(self, path: Path, study: Study) -> LabelledRows:
        """From an npz file."""
        return read_images(path, _schema(study), study.split)


def _schema(study: Study) -> ImageSchema:
    if not isinstance(study.schema, ImageSchema):
        raise StudyError(("schema",), "image-classification needs an image schema")
    return study.schema


_FAMILY = ImageFamily()
WORKLOAD = Workload(
    name=_FAMILY.name,
    version=_FAMILY.version,
    model_side=ClassifierModelSide(_FAMILY),
    site_side=ClassifierSiteSide(_FAMILY),
)
