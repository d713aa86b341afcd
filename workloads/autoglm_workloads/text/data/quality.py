"""What a site's administrator learns of the texts, and the few counts of it that leave in a secure sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Split
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text.data.cleaning import Drop

PERCENTILES = (0, 25, 50, 75, 95, 100)
QUALITY_LAYOUT = CounterLayout(
    (
        CounterField("rows_read"),
        CounterField("rows_kept"),
        *(CounterField(f"dropped/{drop}") for drop in Drop),
        CounterField("single_class"),
    )
)
"""The same for every study. `dropped/WHY`: rows left out; `single_class`: 1 of a site with one class."""


@dataclass(frozen=True)
class Quality:
    """Of one site's texts.

    Attributes:
        read: Rows in the files.
        dropped: Rows by the reason why they are left out.
        classes: By class name, kept rows in train, validation and test; empty without a label.
        rows: Kept rows in train, validation and test.
        lengths: Characters of the kept texts at `PERCENTILES`.
    """

    read: int
    dropped: Mapping[Drop, int]
    classes: Mapping[str, tuple[int, int, int]]
    rows: tuple[int, int, int]
    lengths: tuple[int, ...]

    @property
    def kept(self) -> int:
        """Rows that are used."""
        return sum(self.rows)

    @property
    def single_class(self) -> bool:
        """Whether all training rows are of one class; the site trains like any other."""
        return bool(self.classes) and sum(train > 0 for train, _, _ in self.classes.values()) == 1

    def counters(self) -> Counters:
        """What leaves the site, in `QUALITY_LAYOUT`, inside a secure sum alone."""
        return {
            "rows_read": np.array(float(self.read)),
            "rows_kept": np.array(float(self.kept)),
            **{f"dropped/{drop}": np.array(float(self.dropped.get(drop, 0))) for drop in Drop},
            "single_class": np.array(float(self.single_class)),
        }

    def report(self) -> list[str]:
        """Lines for the administrator's terminal; they stay at the site."""
        train, validation, test = self.rows
        lines = [f"rows: {self.read} read, {self.kept} kept ({train} train, {validation} validation, {test} test)"]
        dropped = [f"{count} {drop}" for drop, count in self.dropped.items() if count]
        lines.append(f"dropped: {', '.join(dropped) or 'none'}")
        points = zip(PERCENTILES, self.lengths, strict=True)
        lines.append(f"characters: {', '.join(f'{length} at {point} %' for point, length in points)}")
        lines += [
            f"class {_shown(name)}: {train} train, {validation} validation, {test} test"
            for name, (train, validation, test) in self.classes.items()
        ]
        if self.single_class:
            lines.append("all training rows are of one class: the site trains, but learns to tell nothing apart alone")
        return lines


def quality_of(
    read: int,
    dropped: Mapping[Drop, int],
    names: Sequence[str],
    labels: NDArray[np.int64],
    splits: SplitRows,
    lengths: Sequence[int],
) -> Quality:
    """Of kept rows with `labels` `(rows,)` of classes `names` and `lengths` in characters."""
    parts = [splits.of(split) for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)]
    table = np.stack([np.bincount(labels[part], minlength=len(names)) for part in parts]) if names else None
    classes = {} if table is None else {name: _three(table[:, place]) for place, name in enumerate(names)}
    points = np.percentile(lengths, PERCENTILES, method="lower") if lengths else np.zeros(len(PERCENTILES))
    return Quality(
        read=read,
        dropped=dict(dropped),
        classes=classes,
        rows=_three([part.size for part in parts]),
        lengths=tuple(int(point) for point in points),
    )


def _shown(name: str) -> str:
    """A class's name comes from the study's author and goes to a terminal, which obeys control characters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def _three(values: Sequence[int] | NDArray[np.int64]) -> tuple[int, int, int]:
    train, validation, test = (int(value) for value in values)
    return train, validation, test
