"""The column that holds what is predicted, and the values in it that mean each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from autoglm_core.canonical import Json
from autoglm_core.study_error import StudyError


@dataclass(frozen=True)
class LabelColumn:
    """What is predicted.

    `classes`: (class name, its raw values) in the order of the model's outputs; matched like categories.
    """

    name: str
    classes: tuple[tuple[str, tuple[str, ...]], ...]

    def __post_init__(self) -> None:
        place = ("schema", "label", "classes")
        if len(self.classes) < 2:
            raise StudyError(place, "needs at least two classes")
        check_distinct([name for name, _ in self.classes], place)
        for name, values in self.classes:
            if not values:
                raise StudyError((*place, name), "needs at least one raw value")
        check_distinct([value for _, values in self.classes for value in values], place)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the model's outputs."""
        return tuple(name for name, _ in self.classes)

    def to_json(self) -> Json:
        """Canonical form."""
        return {"name": self.name, "classes": [[name, list(values)] for name, values in self.classes]}


def check_distinct(names: Iterable[str], place: tuple[str, ...]) -> None:
    """Raise `StudyError` at `place` where a name stands there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise StudyError(place, f"{name!r} stands there twice")
        seen.add(name)
