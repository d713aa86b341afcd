"""What is predicted of a text: a class, a tag for each word, or an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autoglm_core.canonical import Json
from autoglm_core.label_column import LabelColumn, check_distinct
from autoglm_core.study_error import StudyError


class TagScheme(StrEnum):
    """How the tags of words mark spans. B begins, I and M go on, E ends, S is a span of one word, O is outside."""

    BIO = "bio"
    """Ramshaw and Marcus 1995, in the form in which every span begins with B (IOB2)."""
    BIOES = "bioes"
    BMES = "bmes"


@dataclass(frozen=True)
class TextLabel(LabelColumn):
    """A label whose raw values may carry more behind `until`: with `:`, `NUM:date` is read as `NUM`."""

    until: str = ""

    def to_json(self) -> Json:
        """Canonical form."""
        return {**super().to_json(), "until": self.until}


@dataclass(frozen=True)
class TagColumn:
    """A tag for each word. `scheme`: of the file. `entities`: types of spans, in the order of the model's outputs."""

    name: str
    scheme: TagScheme
    entities: tuple[str, ...]

    def __post_init__(self) -> None:
        place = ("schema", "tags", "entities")
        if not self.entities or not all(self.entities):
            raise StudyError(place, "needs at least one type of span, and none without a name")
        check_distinct(self.entities, place)

    def to_json(self) -> Json:
        """Canonical form."""
        return {"name": self.name, "scheme": str(self.scheme), "entities": list(self.entities)}


@dataclass(frozen=True)
class ReferenceColumn:
    """The text that a good answer to `text` would be."""

    name: str

    def to_json(self) -> Json:
        """Canonical form."""
        return {"name": self.name}


Target = TextLabel | TagColumn | ReferenceColumn
TARGET_KEYS = {TextLabel: "label", TagColumn: "tags", ReferenceColumn: "reference"}
"""Keys of the three kinds of target; a schema has at most one."""
