"""Several text schemas under one model: what a study over several tasks is declared with.

Names of tasks become parts of other names (`intent_accuracy`, `entities_crf`), which constraints compute with. So a
task's name has no underscore: the first one of such a name ends it, and no two tasks can mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from autoglm_core.canonical import Json, json_digest
from autoglm_core.study_error import StudyError
from autoglm_core.text_schema import TextSchema

TASK = re.compile(r"[a-z][a-z0-9]{0,23}")
FEWEST_TASKS, MOST_TASKS = 2, 8
RESERVED = ("server",)
"""Parameters `server_...` are the aggregator's."""


@dataclass(frozen=True)
class TasksSchema:
    """Texts of several tasks, each in a file or folder of its own. `tasks`: by name, in the order of the names."""

    tasks: tuple[tuple[str, TextSchema], ...]

    def __post_init__(self) -> None:
        place = ("schema", "tasks")
        names = [name for name, _ in self.tasks]
        if not FEWEST_TASKS <= len(names) <= MOST_TASKS:
            raise StudyError(place, f"needs {FEWEST_TASKS} to {MOST_TASKS} tasks, not {len(names)}")
        for name in names:
            if not TASK.fullmatch(name):
                raise StudyError((*place, name), "a task's name has lower-case letters and digits, a letter first")
            if name in RESERVED:
                raise StudyError((*place, name), "is no name of a task: parameters of the aggregator begin with it")
        if names != sorted(set(names)):
            raise StudyError(place, "must be in the order of their names, each of them once")

    def __iter__(self) -> Iterator[tuple[str, TextSchema]]:
        return iter(self.tasks)

    @property
    def class_names(self) -> tuple[str, ...]:
        """None: each task has its own."""
        return ()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form."""
        return json_digest(self.to_json())

    def to_json(self) -> Json:
        """Canonical form."""
        return {"form": "tasks", "tasks": {name: schema.to_json() for name, schema in self.tasks}}


def of_task(name: str, word: str) -> str:
    """What a study calls the parameter or metric `word` of the task `name`."""
    return f"{name}_{word}"
