"""The `simulate` section of a study's file: how many sites hold which rows, and what each device class is made of.

sites: {count: 4, split: {dirichlet: 0.5, seed: 7}}      a bundled dataset, split here
sites: {files: {cleveland: ../data/cleveland.csv, ...}}  each site has its own file
devices: {one-core: {cpus: 1}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from autoglm_core.canonical import Json
from autoglm_core.section import Section, as_mapping, as_text
from autoglm_core.study import WORD, Study
from autoglm_core.study_error import Place, StudyError, nearest

MOST_SITES = 100
MOST_PROCESSORS = 1024


@dataclass(frozen=True)
class DirichletSplit:
    """Label-skewed: shares of each class over the sites from Dirichlet(`alpha`), drawn with `seed`."""

    alpha: float
    seed: int = 0

    def to_json(self) -> Json:
        """As in a study's file."""
        return {"dirichlet": self.alpha, "seed": self.seed}


@dataclass(frozen=True)
class NaturalSplit:
    """Each site's own file, by site name."""

    files: Mapping[str, Path]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))

    def to_json(self) -> Json:
        """Absolute paths by site."""
        return {"files": {name: str(path) for name, path in self.files.items()}}


@dataclass(frozen=True)
class SimulateSpec:
    """`sites`: how many. `devices`: processors of the one device of each class, by class."""

    sites: int
    split: DirichletSplit | NaturalSplit
    devices: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", MappingProxyType(dict(self.devices)))

    def to_json(self) -> Json:
        """Plain JSON values."""
        return {"sites": self.sites, "split": self.split.to_json(), "devices": dict(self.devices)}


def parse_simulate(value: object, study: Study, folder: Path) -> SimulateSpec:
    """The section `value` of the file that declares `study` in `folder`.

    Raises:
        StudyError: naming the place and what is wrong there.
    """
    section = Section(value, ("simulate",), ("sites", "devices"))
    sites = Section(section.take("sites"), section.at("sites"), ("count", "split", "files"))
    split = _natural(sites, folder) if "files" in sites else _dirichlet(sites)
    count = len(split.files) if isinstance(split, NaturalSplit) else sites.integer("count")
    fewest = study.protection.minimum_cohort
    if not fewest <= count <= MOST_SITES:
        reason = f"{count} sites: there must be {fewest} (protection.minimum_cohort) to {MOST_SITES}"
        raise StudyError(sites.at("files" if "files" in sites else "count"), reason)
    return SimulateSpec(sites=count, split=split, devices=_devices(section, study))


def _dirichlet(sites: Section) -> DirichletSplit:
    split = Section(sites.take("split"), sites.at("split"), ("dirichlet", "seed"))
    alpha, seed = split.number("dirichlet"), split.integer("seed", 0)
    if alpha <= 0:
        raise StudyError(split.at("dirichlet"), "must be above 0")
    if seed < 0:
        raise StudyError(split.at("seed"), "must not be negative")
    return DirichletSplit(alpha, seed)


def _natural(sites: Section, folder: Path) -> NaturalSplit:
    for other in ("count", "split"):
        if other in sites:
            raise StudyError(sites.at(other), "is not for sites with files of their own: leave it out")
    place = sites.at("files")
    files = as_mapping(sites.take("files"), place)
    for name in files:
        _check_word(name, (*place, name))
    return NaturalSplit({name: (folder / as_text(path, (*place, name))).resolve() for name, path in files.items()})


def _devices(section: Section, study: Study) -> dict[str, int]:
    place = section.at("devices")
    entries = as_mapping(section.take("devices"), place) if "devices" in section else {}
    for missing in sorted(set(study.device_classes) - entries.keys()):
        raise StudyError(place, f"the study measures on {missing!r}, which has no device here")
    devices = {}
    for name, entry in entries.items():
        if name not in study.device_classes:
            near = nearest(name, study.device_classes)
            raise StudyError((*place, name), "is not among the study's device_classes", nearest=near)
        device = Section(entry, (*place, name), ("cpus",))
        devices[name] = device.integer("cpus")
        if not 1 <= devices[name] <= MOST_PROCESSORS:
            raise StudyError(device.at("cpus"), f"must lie between 1 and {MOST_PROCESSORS}")
    return devices


def _check_word(name: str, place: Place) -> None:
    if not WORD.fullmatch(name):
        raise StudyError(place, "a site's name has letters, digits, dots, _ and -")
