"""What a text task must say of itself; `TextModelSide` and `TextSiteSide` do everything that tasks have in common.

A task says how texts become rows of tokens with targets, which head it needs, what its loss is, and how logits become
counters. It never sees how the model was tuned, nor whether its logits come from torch or from an exported graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterLayout, Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.workload import Vector
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.tokens import Ids

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_core.study import Study
    from autoglm_workloads.models.description import Description
    from autoglm_workloads.text.network import Network
    from autoglm_workloads.text.tokens import Tokens
    from autoglm_workloads.text.training.job import Loss
    from autoglm_workloads.text.training.options import TextOptions

HEAD = "main"
"""Of the one head of a study with one task."""
Logits = Callable[[Ids], NDArray[np.float32]]
"""Ids `(batch, tokens)` -> logits `(batch, outputs)` or `(batch, tokens, outputs)`."""


@dataclass(frozen=True)
class Prepared:
    """A site's rows of a study, tokenized once. `ids`: of each row; `targets`: the task's own."""

    ids: tuple[Ids, ...]
    targets: Any
    splits: SplitRows
    counted: Counters
    """Of the texts' quality, and `cut`: rows that were longer than the model's inputs."""
    tokens: Tokens
    said: tuple[str, ...] = ()
    """About the texts, for the site's administrator and nobody else."""

    def report(self) -> tuple[str, ...]:
        """For `autoglm-agent data check`."""
        cut = int(self.counted["cut"])
        return (*self.said, f"longer than the model's inputs: {cut} rows, which lose their rest") if cut else self.said

    @property
    def lengths(self) -> Ids:
        """Tokens of each row."""
        return np.array([row.size for row in self.ids], np.int64)


@dataclass(frozen=True)
class Predictor:
    """A tuned model of one variant: `logits` and what beside them decides (`TextTask.notes`)."""

    logits: Logits
    notes: Json


@dataclass(frozen=True)
class Lesson:
    """What a site trains on in one round.

    `targets`: from row numbers to what stands beside the ids, padded alike. `loss`: of a batch of ids and targets.
    """

    targets: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    loss: Callable[[Network, Tensor, Tensor], Loss]


@dataclass(frozen=True)
class Names:
    """What a study may name beside what all text studies have.

    `metrics`: what `score` may yield. `tune`: parameters that outputs or notes depend on, `losses`: those that the
    trained weights alone depend on. `deploy`: parameters beside quantization and threads.
    """

    metrics: tuple[str, ...]
    tune: tuple[str, ...] = ()
    deploy: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


class TextTask(Protocol):
    """One kind of training and evaluation of language models."""

    @property
    def name(self) -> str:
        """Of the workload."""
        ...

    def names(self, study: Study) -> Names:
        """What `study` may name."""
        ...

    def check(self, study: Study) -> None:
        """Raise `StudyError` where schema or metrics do not fit."""
        ...

    def check_values(self, study: Study, tune: Values, deploy: Values) -> None:
        """Raise `StudyError` where a value of one of `names` cannot be."""
        ...

    def heads(self, study: Study, tune: Values, description: Description) -> Mapping[str, HeadSpec]:
        """The heads that are trained, by name."""
        ...

    def load(self, path: Path, tokens: Tokens, study: Study) -> Prepared:
        """Read, clean, split and tokenize a site's rows."""
        ...

    def constants_layout(self, study: Study) -> CounterLayout:
        """What is summed once per study beside the texts' quality: at least `rows` and `classes`."""
        ...

    def constants(self, data: Prepared, study: Study) -> Counters:
        """A site's share of it, over training rows."""
        ...

    def probe_constants(self, study: Study) -> Counters:
        """Constants of a study that nobody has data for."""
        ...

    def lesson(self, data: Prepared, study: Study, tune: Values, options: TextOptions, constants: Counters) -> Lesson:
        """What is trained on under `tune`."""
        ...

    def evaluation_layout(self, study: Study) -> CounterLayout:
        """Counters of one evaluated model."""
        ...

    def count(self, predictor: Predictor, data: Prepared, study: Study, split: Split) -> Counters:
        """Counters of a model over the rows of `split`."""
        ...

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Metrics from summed counters."""
        ...

    def notes(self, study: Study, configuration: Configuration, tensors: Mapping[str, Vector]) -> Json:
        """What decides beside the logits, from a variant's configuration and its trained `tensors`."""
        ...
