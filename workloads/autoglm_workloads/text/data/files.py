"""Which files a site's `path` stands for: one file, or a folder with one or more for each part of a published split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from autoglm_workloads.errors import DataEmpty, DataMismatch, DataMissing
from autoglm_workloads.text.data.split_names import SPLIT_NAMES

WORDS = re.compile(r"(?<![a-z])(?:" + "|".join(sorted(SPLIT_NAMES, key=len, reverse=True)) + r")(?![a-z])")
"""As a word of its own: `latest.csv` is no test file, `wnut17train.conll` is a training file."""


def split_files(path: Path) -> Mapping[str | None, list[Path]]:
    """The files by split, each list in order of their names; None stands for a file without a published split.

    A file of a folder belongs to the split that its name holds as a word; files that name none are left alone.

    Raises:
        DataMissing: there is nothing there.
        DataMismatch: a name holds two splits, or there is no training file.
    """
    if not path.is_dir():
        if not path.exists():
            raise DataMissing()
        return {None: [path]}
    found: dict[str | None, list[Path]] = {}
    try:
        entries = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise DataMissing() from error
    for entry in entries:
        names = {SPLIT_NAMES[word] for word in WORDS.findall(entry.name.lower())}
        if len(names) > 1:
            raise DataMismatch(reason="a file's name holds two of train, validation, test")
        for name in names:
            found.setdefault(name, []).append(entry)
    if not entries:
        raise DataEmpty()
    if "train" not in found:
        raise DataMismatch(reason="no file of the folder is named train")
    return found
