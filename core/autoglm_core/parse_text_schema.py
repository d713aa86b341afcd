"""A text schema from its declaration.

`label: {name: intent, classes: [...]}`, `tags: {name: ner, scheme: bio, entities: [...]}` or `reference: answer` says
what is predicted; a language model's texts have none of them. All of `cleaning` may be left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoglm_core.languages import LANGUAGES
from autoglm_core.parse_label import parse_classes, raw_values
from autoglm_core.section import Section, one_of
from autoglm_core.study_error import Place, StudyError
from autoglm_core.text_cleaning import SCRIPTS, Cleaning, Duplicates, LengthIn, Normal, Undecodable, Whitespace
from autoglm_core.text_schema import ENCODINGS, Separator, TextFormat, TextSchema, TextUnit
from autoglm_core.text_target import TARGET_KEYS, ReferenceColumn, TagColumn, TagScheme, Target, TextLabel

TARGETS = tuple(TARGET_KEYS.values())
KEYS = (*("form", "format", "text", "pair", *TARGETS, "columns", "separator", "unit", "split", "encoding", "cleaning"),)
CLEANING_KEYS = tuple(Cleaning().to_json())


def parse_text_schema(value: object, place: Place = ("schema",)) -> TextSchema:
    """The schema declared by `value`.

    Raises:
        StudyError: naming the place and what is wrong there.
    """
    section = Section(value, place, KEYS)
    section.word("form", ("text",))
    return TextSchema(
        format=TextFormat(section.word("format", [*TextFormat])),
        text=section.text("text", TextSchema.text),
        pair=section.text("pair") if "pair" in section else None,
        target=_target(section),
        columns=section.texts("columns"),
        separator=Separator(section.word("separator", [*Separator], TextSchema.separator)),
        unit=TextUnit(section.word("unit", [*TextUnit], TextSchema.unit)),
        split_column=section.text("split") if "split" in section else None,
        encoding=section.word("encoding", ENCODINGS, TextSchema.encoding),
        cleaning=_cleaning(section.take("cleaning"), section.at("cleaning")) if "cleaning" in section else Cleaning(),
    )


def _target(section: Section) -> Target | None:
    given = [key for key in TARGETS if key in section]
    if len(given) > 1:
        raise StudyError(section.at(given[1]), f"a schema with {given[0]!r} predicts that alone: leave one of them out")
    if not given:
        return None
    key = given[0]
    value, place = section.take(key), section.at(key)
    if key == "label":
        return _label(Section(value, place, ("name", "classes", "until")))
    if key == "tags":
        return _tags(Section(value, place, ("name", "scheme", "entities")))
    if isinstance(value, str):
        return ReferenceColumn(value)
    return ReferenceColumn(Section(value, place, ("name",)).text("name"))


def _label(section: Section) -> TextLabel:
    classes = parse_classes(section.take("classes"), section.at("classes"))
    return TextLabel(section.text("name"), classes, section.text("until", TextLabel.until))


def _tags(section: Section) -> TagColumn:
    return TagColumn(
        name=section.text("name"),
        scheme=TagScheme(section.word("scheme", [*TagScheme])),
        entities=raw_values(section.take("entities"), section.at("entities")),
    )


def _cleaning(value: object, place: Place) -> Cleaning:
    section, usual = Section(value, place, CLEANING_KEYS), Cleaning()
    return Cleaning(
        undecodable=Undecodable(section.word("undecodable", [*Undecodable], usual.undecodable)),
        html=section.boolean("html", usual.html),
        unicode=Normal(section.word("unicode", [*Normal], usual.unicode)),
        whitespace=Whitespace(section.word("whitespace", [*Whitespace], usual.whitespace)),
        scripts=_of(section, "scripts", SCRIPTS),
        languages=_of(section, "languages", LANGUAGES),
        shortest=section.integer("shortest", usual.shortest),
        longest=section.integer("longest", usual.longest),
        length_in=LengthIn(section.word("length_in", [*LengthIn], usual.length_in)),
        duplicates=Duplicates(section.word("duplicates", [*Duplicates], usual.duplicates)),
    )


def _of(section: Section, key: str, known: Sequence[str]) -> tuple[str, ...]:
    return tuple(one_of(value, known, (*section.at(key), number)) for number, value in enumerate(section.texts(key)))
