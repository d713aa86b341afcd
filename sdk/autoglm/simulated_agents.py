"""The agents of a simulation: their folders, their data and their configuration.

Each agent gets a folder of its own and its configuration names nothing outside of it: a site's agent can reach its
own rows alone, as on a machine of its own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoglm.errors import SiteFileMissing, TooFewCores
from autoglm.pick_archive import write_whole
from autoglm.run_folder import RunFolder
from autoglm.sharding import Arrays
from autoglm.tasks_sharding import TasksShard
from autoglm.text_sharding import TextShard
from autoglm_core.study import Study

WATTS_PER_CORE = 5.0
"""Power that a simulated device declares for a busy processor; its energy is a model and labelled so."""
TomlValue = str | int | float | Sequence[int]
TomlTables = Mapping[str, Mapping[str, TomlValue]]


@dataclass(frozen=True)
class SimulatedSite:
    """A site: its rows as `arrays`, its `texts`, or the `file` (or folder) that it has."""

    name: str
    arrays: Arrays | None = None
    texts: TextShard | TasksShard | None = None
    file: Path | None = None


@dataclass(frozen=True)
class SimulatedDevice:
    """A device of `device_class` that consists of `cpus` of this machine's processors."""

    device_class: str
    cpus: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its agent's name."""
        return f"device-{self.device_class.lower()}"


def choose_processors(device_class: str, count: int) -> tuple[int, ...]:
    """The first `count` processors that this process may use, or `TooFewCores`."""
    present = sorted(os.sched_getaffinity(0))
    if count > len(present):
        raise TooFewCores(device_class=device_class, wanted=count, present=len(present))
    return tuple(present[:count])


def prepare_site(site: SimulatedSite, folder: RunFolder, *, study: Study) -> Path:
    """Write the site's data and configuration; returns the path of its agent.toml.

    An agent that joined before keeps its files: `join` wrote the coordinator's address there.

    Raises:
        SiteFileMissing: the site's file does not exist.
    """
    home = folder.agent(site.name)
    config = home / "agent.toml"
    if not config.exists():
        path = _place_data(site, home / "data", data=study.data)
        tables: TomlTables = {
            "": {"name": site.name, "state": "state"},
            f"data.{json.dumps(study.data)}": {"path": str(path.relative_to(home)), "workload": study.workload},
            "policy": {
                "approval": "simulated",
                "minimum_cohort": study.protection.minimum_cohort,
                "release_model": not study.protection.secure_sum,
            },
        }
        write_whole(config, toml_text(tables).encode())
    return config


def prepare_device(device: SimulatedDevice, folder: RunFolder) -> Path:
    """Write the device's configuration; returns the path of its agent.toml."""
    home = folder.agent(device.name)
    config = home / "agent.toml"
    if not config.exists():
        home.mkdir(parents=True, exist_ok=True)
        tables: TomlTables = {
            "": {"name": device.name, "state": "state"},
            "device": {"class": device.device_class, "cpus": list(device.cpus), "watts": WATTS_PER_CORE},
            "policy": {"approval": "simulated"},
        }
        write_whole(config, toml_text(tables).encode())
    return config


def _place_data(site: SimulatedSite, folder: Path, *, data: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if site.texts is not None:
        return site.texts.write(folder / data)
    if site.file is None:
        path = folder / f"{data}.npz"
        np.savez(path, **dict(site.arrays or {}))  # type: ignore[arg-type]  # the stub takes the names for its own options
        return path
    path = folder / site.file.name
    if site.file.is_dir():
        shutil.copytree(site.file, path, dirs_exist_ok=True)
    elif site.file.is_file():
        shutil.copyfile(site.file, path)
    else:
        raise SiteFileMissing(site=site.name, path=str(site.file))
    return path


def toml_text(tables: TomlTables) -> str:
    """`tables` as TOML; the table without a name comes first. JSON's strings, numbers and lists are TOML's too."""
    parts = []
    for name, values in tables.items():
        lines = [f"[{name}]"] if name else []
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
