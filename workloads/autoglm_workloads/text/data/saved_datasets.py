"""Which Arrow files a folder of the library `datasets` stands for.

`Dataset.save_to_disk` and `DatasetDict.save_to_disk` write state.json and dataset_dict.json. A dataset that was loaded
by name lies in the library's cache, under ~/.cache/huggingface/datasets/NAME (`OWNER___NAME`): its folder is the path,
and nothing is looked up by name, so that no child needs a network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoglm_workloads.errors import DataMismatch, DataMissing
from autoglm_workloads.text.data.split_names import SPLIT_NAMES

CACHED = re.compile(r"-([A-Za-z]+)(?:-\d{5}-of-\d{5})?\.arrow")
LARGEST_JSON = 2**24
"""Bytes of a description."""


def dataset_files(path: Path) -> Mapping[str | None, list[Path]]:
    """The files by split, in order; None stands for a dataset without a published split.

    Raises:
        DataMissing: there is nothing there.
        DataMismatch: it is no folder of a dataset, or it has no training rows.
    """
    if not path.exists():
        raise DataMissing()
    if (path / "state.json").is_file():
        return {None: _saved(path)}
    if (path / "dataset_dict.json").is_file():
        names = _entries(_read(path / "dataset_dict.json").get("splits"))
        found: dict[str | None, list[Path]] = {
            SPLIT_NAMES[name]: _saved(path / name) for name in names if name in SPLIT_NAMES
        }
    else:
        found = _cached(path)
    if "train" not in found:
        raise DataMismatch(reason="a dataset without a split train")
    return found


def _saved(folder: Path) -> list[Path]:
    state = _read(folder / "state.json")
    if state.get("_indices_data_files"):
        raise DataMismatch(reason="a dataset that was saved with indices: save it again after flatten_indices")
    entries = _entries(state.get("_data_files"))
    return [folder / _plain(entry.get("filename") if isinstance(entry, dict) else None) for entry in entries]


def _cached(folder: Path) -> dict[str | None, list[Path]]:
    """Of the one configuration, version and content that lies in the cache."""
    homes = sorted(info.parent for info in folder.rglob("dataset_info.json"))
    if len(homes) != 1:
        raise DataMismatch(reason="not the folder of exactly one dataset")
    found: dict[str | None, list[Path]] = {}
    for file in sorted(homes[0].glob("*.arrow")):
        match = CACHED.search(file.name)
        if match and match[1] in SPLIT_NAMES:
            found.setdefault(SPLIT_NAMES[match[1]], []).append(file)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise DataMismatch(reason="the description of a dataset is too long")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise DataMissing() from error
    except (ValueError, RecursionError) as error:
        raise DataMismatch(reason="the description of a dataset cannot be read") from error
    if not isinstance(value, dict):
        raise DataMismatch(reason="the description of a dataset cannot be read")
    return value


def _entries(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise DataMismatch(reason="the description of a dataset cannot be read")
    return value


def _plain(name: object) -> str:
    """A file's name that leads nowhere else."""
    if not isinstance(name, str) or Path(name).name != name or name in ("", "..") or "\0" in name:
        raise DataMismatch(reason="the description of a dataset cannot be read")
    return name
