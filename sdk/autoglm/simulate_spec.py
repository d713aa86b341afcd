"""The `simulate` section of a study's file: which sites hold which rows, and what each device class is made of.

sites: {count: 4, split: {dirichlet: 0.5, seed: 7}}    and other ways, see `site_splits`
devices: {one-core: {cpus: 1}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from autoglm.site_splits import SiteSplit, parse_sites
from autoglm_core.canonical import Json
from autoglm_core.section import Section, as_mapping
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError, nearest

MOST_PROCESSORS = 1024


@dataclass(frozen=True)
class SimulateSpec:
    """`sites`: how many. `devices`: processors of the one device of each class, by class. `data`: as in `SitesSpec`."""

    sites: int
    split: SiteSplit
    devices: Mapping[str, int]
    data: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", MappingProxyType(dict(self.devices)))
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

    def to_json(self) -> Json:
        """Plain JSON values."""
        value = {"sites": self.sites, "split": self.split.to_json(), "devices": dict(self.devices)}
        return value | ({"data": {part: str(path) for part, path in self.data.items()}} if self.data else {})


def parse_simulate(value: object, study: Study, folder: Path) -> SimulateSpec:
    """The section `value` of the file that declares `study` in `folder`.

    Raises:
        StudyError: naming the place and what is wrong there.
    """
    section = Section(value, ("simulate",), ("sites", "devices"))
    entries = Section(section.take("sites"), section.at("sites"), ("count", "split", "data", "files"))
    sites = parse_sites(entries, study, folder)
    return SimulateSpec(sites=sites.count, split=sites.split, devices=_devices(section, study), data=sites.data)


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
