"""What a kind of data must say of itself so that the chain classifier can serve it.

`ClassifierModelSide` and `ClassifierSiteSide` do everything that tables and images have in common. A family says how
rows become inputs, which chain a `tune` describes and how inputs are normalised: the difference between two workloads,
and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Array, Chain
from autoglm_core.configuration import Values
from autoglm_core.counters import CounterLayout, Counters
from autoglm_core.measurement import Split
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.training_options import TrainingOptions

if TYPE_CHECKING:
    from autoglm_core.study import Study

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class LabelledRows:
    """A site's rows: raw `inputs` `(rows, *input_shape)` float32, NaN where missing.

    `labels` `(rows,)`; and their split.
    """

    inputs: Array
    labels: Labels
    splits: SplitRows

    def of(self, split: Split) -> tuple[Array, Labels]:
        """Inputs and labels of the rows of `split`."""
        rows = self.splits.of(split)
        return self.inputs[rows], self.labels[rows]


@dataclass(frozen=True)
class Normalisation:
    """`(inputs - mean) / deviation`.

    Both `(features,)` for tables, scalars `()` for images. `impute`: NaN becomes the mean.
    """

    mean: Array
    deviation: Array
    impute: bool = False

    def apply(self, inputs: Array) -> Array:
        """Normalised copy of `inputs`, without NaN if `impute`."""
        scaled = ((inputs - self.mean) / self.deviation).astype(np.float32)
        return np.nan_to_num(scaled, nan=0.0) if self.impute else scaled

    @property
    def fill(self) -> Array | None:
        """What the exported model puts in the place of NaN; None if it never sees one."""
        return self.mean if self.impute else None


class Family(Protocol):
    """One kind of labelled data and the chains that fit it."""

    @property
    def name(self) -> str:
        """Of the workload."""
        ...

    @property
    def version(self) -> int:
        """Of the workload: rises whenever the same study would give other bits."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Names that `study.model` may have."""
        ...

    @property
    def defaults(self) -> TrainingOptions:
        """Training options that `tune` leaves out."""
        ...

    def check_schema(self, study: Study) -> None:
        """Raise `StudyError` where the schema is of another kind or too small."""
        ...

    def classes(self, study: Study) -> int:
        """How many."""
        ...

    def chain(self, study: Study, tune: Values) -> Chain:
        """The network of `study.model` and `tune`."""
        ...

    def quantizable(self, chain: Chain) -> tuple[str, ...]:
        """Names of the layers that may be int8."""
        ...

    def constants_layout(self, study: Study) -> CounterLayout:
        """What is summed once per study."""
        ...

    def constants(self, data: LabelledRows, study: Study) -> Counters:
        """A site's share of it, over its training rows."""
        ...

    def probe_constants(self, study: Study) -> Counters:
        """Constants of a study that nobody has data for."""
        ...

    def normalisation(self, study: Study, constants: Counters) -> Normalisation:
        """From the cohort's constants."""
        ...

    def probe_inputs(self, study: Study, rows: int) -> Array:
        """Synthetic raw inputs."""
        ...

    def load(self, path: Path, study: Study) -> LabelledRows:
        """Read, validate and split; raises `DataError`s."""
        ...
