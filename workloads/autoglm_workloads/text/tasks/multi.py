"""Several tasks under one model: a shared encoder, a head for each task.

The losses of the tasks are weighted by learned uncertainties (Kendall, Gal and Cipolla 2018, equation 10, for
likelihoods of classes): with s the logarithm of a task's variance,

    loss = mean over tasks of  exp(-s) * loss of the task + s / 2

A task whose loss cannot be lowered gets a large s and with it a small weight. The loss of a tagged row is taken per
word, as if each word were a row of the paper's. With `uncertainty: false` every s counts as 0.

A batch holds rows of all tasks, and each row of a task weighs `rows / (tasks * rows of the task)` with the rows of the
whole cohort: so the sum over sites, weighted by rows, is the loss of the pooled data, and a site that has little of a
task says little about it. Batches of one task each were rejected: the steps at the end of an epoch, and with few rows
most steps, would undo each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters, with_prefix, without_prefix
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_core.tasks_schema import of_task
from autoglm_core.workload import Vector
from autoglm_workloads.option_rules import SWITCH, updated
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.tasks.api import Lesson, Names, Predictor, Prepared
from autoglm_workloads.text.tasks.classification import Classification
from autoglm_workloads.text.tasks.multi_loss import multi_loss, multi_targets
from autoglm_workloads.text.tasks.parts import Part, parts_of
from autoglm_workloads.text.tasks.tagging import Tagging
from autoglm_workloads.text.tasks.task_rows import load_tasks
from autoglm_workloads.text.tokens import Ids

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.models.description import Description
    from autoglm_workloads.text.tokens import Tokens
    from autoglm_workloads.text.training.options import TextOptions

TASKS = {task.name: task for task in (Classification(), Tagging())}


@dataclass(frozen=True)
class MultiOptions:
    """`uncertainty`: whether the tasks' weights are learned; without it they are equal."""

    uncertainty: bool = True


_RULES = {"uncertainty": SWITCH}


@dataclass(frozen=True)
class MultiTask:
    """Two or more of text-classification and token-classification."""

    name: str = "multi-task"

    def names(self, study: Study) -> Names:
        """Each task's own behind the task's name, and `loss`: of all tasks, per text or word."""
        own = [(part.name, part.task.names(part.study)) for part in parts_of(study)]
        return Names(
            metrics=("loss", *(of_task(name, word) for name, names in own for word in names.metrics)),
            tune=tuple(of_task(name, word) for name, names in own for word in names.tune),
            deploy=tuple(of_task(name, word) for name, names in own for word in names.deploy),
            losses=tuple(_RULES),
        )

    def check(self, study: Study) -> None:
        """Tasks with labels or tags."""
        for part in parts_of(study):
            part.task.check(part.study)

    def check_values(self, study: Study, tune: Values, deploy: Values) -> None:
        """Each task's own."""
        updated(MultiOptions(), tune, _RULES)
        for part in parts_of(study):
            with part.named():
                part.task.check_values(part.study, part.own(tune), part.own(deploy))

    def heads(self, study: Study, tune: Values, description: Description) -> Mapping[str, HeadSpec]:
        """A head for each task, under the task's name."""
        return {part.name: part.task.head(part.study, part.own(tune), description) for part in parts_of(study)}

    def load(self, path: Path, tokens: Tokens, study: Study) -> Prepared:
        """`targets`: `TaskRows`."""
        return load_tasks(path, parts_of(study), tokens)

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows of all tasks, all of one class, and each task's own constants."""
        own = [part.task.constants_layout(part.study).prefixed(part.prefix) for part in parts_of(study)]
        return sum(own, CounterLayout((CounterField("rows"), CounterField("classes", (1,)))))

    def constants(self, data: Prepared, study: Study) -> Counters:
        """Of the training rows."""
        parts = zip(parts_of(study), data.targets.parts, strict=True)
        return _summed({part.prefix: part.task.constants(own, part.study) for part, own in parts})

    def probe_constants(self, study: Study) -> Counters:
        """Each task's."""
        return _summed({part.prefix: part.task.probe_constants(part.study) for part in parts_of(study)})

    def lesson(self, data: Prepared, study: Study, tune: Values, options: TextOptions, constants: Counters) -> Lesson:
        """The tasks' lessons; see the module for how their losses are weighted."""
        parts, rows = parts_of(study), data.targets
        own = [without_prefix(constants, part.prefix) for part in parts]
        lessons = [
            part.task.lesson(prepared, part.study, part.own(tune), options, counted)
            for part, prepared, counted in zip(parts, rows.parts, own, strict=True)
        ]
        learned = updated(MultiOptions(), tune, _RULES).uncertainty
        weights = _row_weights([float(counted["rows"]) for counted in own])
        return Lesson(
            lambda chosen: multi_targets(rows, lessons, chosen, longest=int(data.lengths[chosen].max())),
            lambda network, ids, targets: multi_loss(
                network, ids, targets, parts=parts, lessons=lessons, weights=weights, learned=learned
            ),
        )

    def evaluation_layout(self, study: Study) -> CounterLayout:
        """Rows of all tasks, and each task's own counters."""
        own = [part.task.evaluation_layout(part.study).prefixed(part.prefix) for part in parts_of(study)]
        return sum(own, CounterLayout((CounterField("rows"),)))

    def count(self, predictor: Predictor, data: Prepared, study: Study, split: Split) -> Counters:
        """Each task's counters over its own rows."""
        counters: dict[str, NDArray[np.float64]] = {"rows": np.array(float(data.splits.of(split).size))}
        for part, own in zip(parts_of(study), data.targets.parts, strict=True):
            counted = part.task.count(_own_predictor(predictor, part), own, part.study, split)
            counters |= with_prefix(counted, part.prefix)
        return counters

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Each task's metrics, and the loss over all of them."""
        found: dict[str, Measurement] = {}
        losses = []
        for prefix in sorted({"/".join(key.split("/")[:2]) for key in counters if "/" in key}):
            name, kind = prefix.split("/")
            own = without_prefix(counters, prefix)
            scores = TASKS[kind].score(own, split)
            found |= {of_task(name, metric): value for metric, value in scores.items()}
            losses.append((scores["loss"], TASKS[kind].units(own)))
        return {"loss": _over_tasks(losses, round(float(counters["rows"])), split), **found}

    def notes(self, study: Study, configuration: Configuration, tensors: Mapping[str, Vector]) -> Json:
        """Where each task's logits stand, and the task's own notes."""
        notes, start = {}, 0
        for part in parts_of(study):
            own = Configuration(part.own(configuration.tune), part.own(configuration.deploy))
            end = start + tensors[f"head.{part.name}.bias"].size
            notes[part.name] = {"outputs": [start, end], "notes": part.task.notes(part.study, own, tensors)}
            start = end
        return notes


def _own_predictor(predictor: Predictor, part: Part) -> Predictor:
    """What `predictor` says of one task."""
    start, end = predictor.notes[part.name]["outputs"]

    def logits(ids: Ids) -> NDArray[np.float32]:
        own = predictor.logits(ids)[..., start:end]
        return own[:, 0] if own.ndim == 3 and not part.by_token else own

    return Predictor(logits, predictor.notes[part.name]["notes"])


def _row_weights(rows: Sequence[float]) -> list[float]:
    """Of one row of each task, from the cohort's rows by task: every task weighs the same, the mean row weighs 1."""
    present = sum(count > 0 for count in rows)
    return [sum(rows) / (present * count) if count else 1.0 for count in rows]


def _summed(constants: Mapping[str, Counters]) -> Counters:
    """Constants of the tasks by prefix, with the rows of all."""
    rows = np.array(sum(float(own["rows"]) for own in constants.values()))
    prefixed: dict[str, Any] = {}
    for prefix, own in constants.items():
        prefixed |= with_prefix(own, prefix)
    return {"rows": rows, "classes": rows[None], **prefixed}


def _over_tasks(losses: Sequence[tuple[Measurement, float]], rows: int, split: Split) -> Measurement:
    """The mean loss per text or word; errors of tasks are independent."""
    units = max(sum(count for _, count in losses), 1.0)
    mean = sum(loss.mean * count for loss, count in losses) / units
    error = sqrt(sum((loss.standard_error * count) ** 2 for loss, count in losses)) / units
    return Measurement(mean, error, rows, Provenance.SECURE_SUM, split)
