"""The `sites` of a `simulate` section: how many there are, and which rows each of them holds.

sites: {count: 4, split: {dirichlet: 0.5, seed: 7}}             a bundled dataset, split here
sites: {data: ../data/trec, count: 4, split: {iid: true}}       texts: a file, a folder, or {train: ..., test: ...}
sites: {data: plays.json, count: 10, split: {by: speaker}}      the sites that a column names, those with most text
sites: {data: {intent: ../data/trec, entities: ../data/wnut17}, count: 4, split: {iid: true}}       several tasks
sites: {files: {cleveland: ../data/cleveland.csv, ...}}         each site has its own file
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from autoglm_core.canonical import Json
from autoglm_core.section import Section, as_mapping, as_text, one_of
from autoglm_core.study import WORD, Study
from autoglm_core.study_error import Place, StudyError
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_schema import NAMED, TextFormat, TextSchema

MOST_SITES = 100
PARTS = ("train", "validation", "test")
KEYED = ".json"
"""A mapping from a site's name to its list of texts, instead of a file in the study's format."""


@dataclass(frozen=True)
class DirichletSplit:
    """Label-skewed: shares of each class over the sites from Dirichlet(`alpha`), drawn with `seed`."""

    alpha: float
    seed: int = 0

    def to_json(self) -> Json:
        """As in a study's file."""
        return {"dirichlet": self.alpha, "seed": self.seed}


@dataclass(frozen=True)
class IidSplit:
    """Every site holds as many rows, dealt out at random with `seed`."""

    seed: int = 0

    def to_json(self) -> Json:
        """As in a study's file."""
        return {"iid": True, "seed": self.seed}


@dataclass(frozen=True)
class ColumnSplit:
    """The values of `column` are the sites."""

    column: str

    def to_json(self) -> Json:
        """As in a study's file."""
        return {"by": self.column}


@dataclass(frozen=True)
class NaturalSplit:
    """Each site's own file, by site name."""

    files: Mapping[str, Path]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))

    def to_json(self) -> Json:
        """Absolute paths by site."""
        return {"files": {name: str(path) for name, path in self.files.items()}}


SiteSplit = DirichletSplit | IidSplit | ColumnSplit | NaturalSplit


@dataclass(frozen=True)
class SitesSpec:
    """`count` sites, by `split`, of the texts in `data`.

    `data`: a path by part of a published split, `""` for one path; by task where the study has several.
    """

    count: int
    split: SiteSplit
    data: Mapping[str, Path]


def parse_sites(sites: Section, study: Study, folder: Path) -> SitesSpec:
    """The section `sites`; paths are relative to `folder`. Raises `StudyError`."""
    split = _natural(sites, folder) if "files" in sites else _drawn(sites)
    count = len(split.files) if isinstance(split, NaturalSplit) else sites.integer("count")
    fewest = study.protection.minimum_cohort
    if not fewest <= count <= MOST_SITES:
        reason = f"{count} sites: there must be {fewest} (protection.minimum_cohort) to {MOST_SITES}"
        raise StudyError(sites.at("files" if "files" in sites else "count"), reason)
    data = _texts(sites, study, folder) if "data" in sites else {}
    if not data and not isinstance(split, NaturalSplit) and isinstance(study.schema, TextSchema | TasksSchema):
        raise StudyError(sites.at("data"), "is missing: say where the texts are, or name a file for each site")
    if isinstance(split, ColumnSplit):
        _check_column(split, study, data, (*sites.at("split"), "by"))
    return SitesSpec(count, split, data)


def _drawn(sites: Section) -> DirichletSplit | IidSplit | ColumnSplit:
    split = Section(sites.take("split"), sites.at("split"), ("dirichlet", "iid", "by", "seed"))
    kinds = [kind for kind in ("dirichlet", "iid", "by") if kind in split]
    if len(kinds) != 1:
        raise StudyError(split.place, "needs exactly one of dirichlet, iid and by")
    if kinds == ["by"]:
        if "seed" in split:
            raise StudyError(split.at("seed"), "a split by a column draws nothing: leave it out")
        return ColumnSplit(split.text("by"))
    seed = split.integer("seed", 0)
    if seed < 0:
        raise StudyError(split.at("seed"), "must not be negative")
    if kinds == ["iid"]:
        if not split.boolean("iid"):
            raise StudyError(split.at("iid"), "must be true, or left out for another kind of split")
        return IidSplit(seed)
    alpha = split.number("dirichlet")
    if alpha <= 0:
        raise StudyError(split.at("dirichlet"), "must be above 0")
    return DirichletSplit(alpha, seed)


def _natural(sites: Section, folder: Path) -> NaturalSplit:
    for other in ("count", "split", "data"):
        if other in sites:
            raise StudyError(sites.at(other), "is not for sites with files of their own: leave it out")
    place = sites.at("files")
    files = as_mapping(sites.take("files"), place)
    for name in files:
        _check_word(name, (*place, name))
    return NaturalSplit({name: (folder / as_text(path, (*place, name))).resolve() for name, path in files.items()})


def _texts(sites: Section, study: Study, folder: Path) -> Mapping[str, Path]:
    value, place = sites.take("data"), sites.at("data")
    if isinstance(study.schema, TasksSchema):
        tasks = Section(value, place, [name for name, _ in study.schema])
        return {name: (folder / tasks.text(name)).resolve() for name, _ in study.schema}
    if not isinstance(study.schema, TextSchema):
        raise StudyError(place, "only texts are split over sites from a path: name a file for each site under `files`")
    if isinstance(value, str):
        return {"": (folder / value).resolve()}
    paths = as_mapping(value, place)
    parts = {one_of(part, PARTS, (*place, part)): as_text(path, (*place, part)) for part, path in paths.items()}
    if "train" not in parts:
        raise StudyError(place, "the part train is missing")
    return {part: (folder / path).resolve() for part, path in parts.items()}


def _check_column(split: ColumnSplit, study: Study, data: Mapping[str, Path], place: Place) -> None:
    if isinstance(study.schema, TasksSchema):
        raise StudyError(place, "is for one task: deal out several by dirichlet or iid, or name a folder for each site")
    if not data or not isinstance(study.schema, TextSchema):
        raise StudyError(place, "is for texts: say under `data` where they are")
    if any(path.suffix == KEYED for path in data.values()):
        if study.schema.used != (study.schema.text,):
            raise StudyError(place, f"a {KEYED} file of texts by site holds no column but the text")
        return
    named = study.schema.format in (*NAMED, TextFormat.CSV, TextFormat.TSV)
    if split.column not in study.schema.columns and (study.schema.columns or not named):
        raise StudyError(place, "is not a column of the files")


def _check_word(name: str, place: Place) -> None:
    if not WORD.fullmatch(name):
        raise StudyError(place, "a site's name has letters, digits, dots, _ and -")
