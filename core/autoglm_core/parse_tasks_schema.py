"""The schemas of several tasks from their declaration: `{form: tasks, tasks: {intent: {form: text, ...}, ...}}`."""

from __future__ import annotations

from autoglm_core.parse_text_schema import parse_text_schema
from autoglm_core.section import Section, as_mapping
from autoglm_core.study_error import Place, StudyError
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_schema import TextSchema

KEYS = ("form", "tasks")


def parse_tasks_schema(value: object, place: Place = ("schema",)) -> TasksSchema:
    """The schema declared by `value`, its tasks in any order.

    Raises:
        StudyError: naming the place and what is wrong there.
    """
    section = Section(value, place, KEYS)
    section.word("form", ("tasks",))
    declared, where = as_mapping(section.take("tasks"), section.at("tasks")), section.at("tasks")
    return TasksSchema(tuple((name, _parsed(declared[name], (*where, name))) for name in sorted(declared)))


def _parsed(value: object, place: Place) -> TextSchema:
    """The schema of one task; a schema alone says `schema` where its own place is `place`."""
    try:
        return parse_text_schema(value, place)
    except StudyError as error:
        if error.place[: len(place)] == place:
            raise
        raise StudyError((*place, *error.place[1:]), error.reason, nearest=error.nearest) from None
