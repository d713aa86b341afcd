"""The tasks of a study over several: each one a task of its own, on the study as if there were no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoglm_core.configuration import Values
from autoglm_core.study_error import StudyError
from autoglm_core.tasks_schema import TasksSchema, of_task
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import TagColumn, TextLabel
from autoglm_workloads.text.tasks.classification import Classification
from autoglm_workloads.text.tasks.tagging import Tagging

if TYPE_CHECKING:
    from autoglm_core.study import Study


@dataclass(frozen=True)
class Part:
    """One task. `name`: of the task and of its head; `study`: with the task's own schema."""

    name: str
    task: Classification | Tagging
    study: Study

    @property
    def prefix(self) -> str:
        """Of the task's counters; says how they are scored, too, which is asked without a study."""
        return f"{self.name}/{self.task.name}"

    @property
    def by_token(self) -> bool:
        """Whether a row has logits for each token, and not for the text."""
        return isinstance(self.task, Tagging)

    def own(self, values: Values) -> Values:
        """`values` with this task's under the names that the task itself knows: `entities_crf` as `crf`."""
        return {**values, **{word: values[name] for name, word in self._words().items() if name in values}}

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors about this task's parameters name them as the study does."""
        names = {word: name for name, word in self._words().items()}
        try:
            yield
        except StudyError as error:
            place = tuple(names.get(str(key), key) for key in error.place)
            raise StudyError(place, error.reason, nearest=error.nearest) from None

    def _words(self) -> dict[str, str]:
        """The task's own words by what the study calls them."""
        names = self.task.names(self.study)
        return {of_task(self.name, word): word for word in (*names.tune, *names.deploy)}


def parts_of(study: Study) -> tuple[Part, ...]:
    """The tasks of `study`, in the order of their names.

    Raises:
        StudyError: the schema is of another form, or a task has neither label nor tags.
    """
    if not isinstance(study.schema, TasksSchema):
        raise StudyError(("schema",), "multi-task needs a schema of the form tasks, with a text schema for each task")
    return tuple(Part(name, _task(name, schema), replace(study, schema=schema)) for name, schema in study.schema)


def _task(name: str, schema: TextSchema) -> Classification | Tagging:
    match schema.target:
        case TextLabel():
            return Classification(name)
        case TagColumn():
            return Tagging(name)
    reason = (
        "needs label or tags: a language model's output layer is the model's own, so causal-lm and text-generation "
        "need a study of their own"
    )
    raise StudyError(("schema", "tasks", name), reason)
