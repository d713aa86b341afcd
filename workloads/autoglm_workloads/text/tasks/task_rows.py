"""A site's rows of several tasks: a folder with an entry for each task, and one list of rows made of them.

An entry is a file or a folder whose name up to the first dot is a task's. An entry that is no task's is refused rather
than left alone: a misspelt one would train the other tasks only, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import Counters
from autoglm_core.measurement import Split
from autoglm_workloads.errors import DataEmpty, DataMismatch, DataMissing
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text.data.cleaning import Drop
from autoglm_workloads.text.data.quality import quality_of
from autoglm_workloads.text.data.rows import TextRows
from autoglm_workloads.text.tasks.api import Prepared

if TYPE_CHECKING:
    from autoglm_workloads.text.tasks.parts import Part
    from autoglm_workloads.text.tokens import Ids, Tokens


@dataclass(frozen=True)
class TaskRows:
    """`parts`: rows of each task; `starts` `(tasks,)`: number of each task's first row in the list of all."""

    parts: tuple[Prepared, ...]
    starts: NDArray[np.int64]

    def owners(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The task of each of `rows` `(n,)`, by its place; of tasks without rows none."""
        return np.asarray(np.searchsorted(self.starts, rows, side="right") - 1, np.int64)


def load_tasks(path: Path, parts: Sequence[Part], tokens: Tokens) -> Prepared:
    """The rows of all tasks; `targets` are `TaskRows`. A site may lack rows of a task, not of all.

    Raises:
        DataMissing: there is nothing there.
        DataMismatch: it is no folder with entries for these tasks, or an entry does not have its schema's form.
        DataEmpty: no training row is left of any task.
    """
    entries = task_entries(path, [part.name for part in parts])
    return joined(parts, [_loaded(part, entries.get(part.name), tokens) for part in parts], tokens)


def task_entries(path: Path, names: Sequence[str]) -> Mapping[str, Path]:
    """The entry of each task that has one; hidden ones are left alone."""
    if not path.exists():
        raise DataMissing()
    if not path.is_dir():
        raise DataMismatch(reason="no folder with an entry for each task")
    found: dict[str, Path] = {}
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataMissing() from error
    for entry in entries:
        name = entry.name.partition(".")[0]
        if name not in names:
            raise DataMismatch(reason="an entry of the folder has the name of no task")
        if name in found:
            raise DataMismatch(reason="two entries of the folder have the name of one task")
        found[name] = entry
    return found


def joined(parts: Sequence[Part], loaded: Sequence[Prepared], tokens: Tokens) -> Prepared:
    """One list of rows, task after task."""
    sizes = [len(data.ids) for data in loaded]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    splits = SplitRows(
        *(
            np.concatenate([data.splits.of(split) + start for data, start in zip(loaded, starts, strict=True)])
            for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)
        )
    )
    if not splits.train.size:
        counted = _counted(loaded)
        dropped = {str(drop): int(counted[f"dropped/{drop}"]) for drop in Drop}
        raise DataEmpty(rows=int(counted["rows_read"]), dropped=dropped)
    ids: tuple[Ids, ...] = tuple(row for data in loaded for row in data.ids)
    said = tuple(f"task {part.name}: {line}" for part, data in zip(parts, loaded, strict=True) for line in data.said)
    return Prepared(ids, TaskRows(tuple(loaded), starts), splits, _counted(loaded), tokens, said)


def _loaded(part: Part, entry: Path | None, tokens: Tokens) -> Prepared:
    nothing = DataEmpty()
    if entry is not None:
        try:
            return part.task.load(entry, tokens, part.study)
        except DataEmpty as error:
            nothing = error
        except DataMismatch as error:
            raise error.inside(f"{part.name} {error.data['part']}".strip()) from error.__cause__
    prepared = part.task.prepare(_no_rows(nothing), tokens, part.study)
    return replace(prepared, said=(f"{nothing.found}; the site trains the other tasks",))


def _no_rows(nothing: DataEmpty) -> TextRows:
    """Of a task that the site has nothing usable of."""
    none = np.zeros(0, np.int64)
    splits = SplitRows(none, none, none)
    dropped = {Drop(reason): count for reason, count in nothing.dropped.items()}
    return TextRows((), None, none, (), (), None, splits, quality_of(nothing.rows, dropped, (), none, splits, ()))


def _counted(loaded: Sequence[Prepared]) -> Counters:
    """Sums over tasks; a site is of a single class where one of its tasks is."""
    summed = {name: np.sum([data.counted[name] for data in loaded], axis=0) for name in loaded[0].counted}
    return {**summed, "single_class": np.minimum(summed["single_class"], 1.0)}
