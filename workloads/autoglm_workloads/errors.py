"""What a workload refuses, and why.

A study that asks for what a workload does not do is a `StudyError` like any other. `DataError` and its relatives are
raised at a site: their data are positions and counts, never a path, a column's name or a value, because an error may
leave the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autoglm_core.errors import AutoglmError, InvalidInput, Kind, NotFound


class UnknownWorkload(NotFound):
    """No installed workload has that name."""

    code = "unknown-workload"

    def __init__(self, *, name: str, known: str, nearest: str | None) -> None:
        hint = f", did you mean {nearest!r}" if nearest else ""
        super().__init__(f"no workload {name!r}{hint}; installed: {known}", name=name, known=known, nearest=nearest)


class NothingCounted(AutoglmError):
    """Summed counters hold no rows, so no rate can be derived from them."""

    code = "nothing-counted"
    kind = Kind.CONFLICT

    def __init__(self, *, split: str) -> None:
        super().__init__(
            f"no site has a row in the {split} split: give the sites more rows or enlarge the split", split=split
        )


class DataError(InvalidInput):
    """A site's data cannot be used for this study."""

    code = "data-unusable"


class DataMissing(DataError):
    """The file is not there or cannot be opened."""

    code = "data-missing"

    def __init__(self) -> None:
        super().__init__("the data file cannot be opened: check `path` of this data set in agent.toml")


class DataEmpty(DataError):
    """No row is left to train on.

    `rows` were read; `dropped`: how many of them were left out, by the reason. The others are of validation and test.
    """

    code = "data-empty"

    def __init__(self, *, rows: int = 0, dropped: Mapping[str, int] = MappingProxyType({})) -> None:
        counts = {**dropped, "of validation and test": rows - sum(dropped.values())}
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
        self.rows, self.dropped = rows, dropped
        read = "1 row" if rows == 1 else f"{rows} rows"
        self.found = f"{read} read, none usable for training: {reasons}" if rows else "no row to read"
        change = "give it other rows, or ask for a study that keeps them" if rows else "check `path` in agent.toml"
        super().__init__(f"{self.found}; {change}", rows=rows, reasons=reasons)


class DataMismatch(DataError):
    """The file does not have the form that the study's schema declares.

    `reason` is one of a closed list; `column` counts from 1 in the schema's order, which need not be the file's, 0
    where no single column is to blame; `line` counts from 1 in the file, 0 where the file as a whole is to blame;
    `part` is train, validation or test where each has a file of its own, behind the study's name of the task where it
    has several.
    """

    code = "data-mismatch"

    def __init__(self, *, reason: str, column: int = 0, line: int = 0, part: str = "") -> None:
        place = f" in the {_ordinal(column)} column that the study's schema names" if column else ""
        place += (f" on line {line}" if line else "") + (f" of the {part} file" if part else "")
        super().__init__(
            f"the data does not have the study's schema: {reason}{place}",
            reason=reason,
            column=column,
            line=line,
            part=part,
        )
        self.reason, self.column, self.line = reason, column, line

    def inside(self, part: str) -> DataMismatch:
        """The same, of the file of `part`."""
        return DataMismatch(reason=self.reason, column=self.column, line=self.line, part=part)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


class ReaderMissing(DataError):
    """The format needs a library that is not installed here."""

    code = "reader-missing"

    def __init__(self, *, library: str, extra: str) -> None:
        super().__init__(
            f"reading this format needs {library}: install autoglm[{extra}] at this site", library=library, extra=extra
        )


class DivergedTraining(AutoglmError):
    """Local training left the finite numbers, or its loss grew beyond all bounds.

    `reason`: `not-finite` or `exploded`.
    """

    code = "diverged-training"
    kind = Kind.ABORTED

    def __init__(self, *, epoch: int, reason: str = "not-finite") -> None:
        super().__init__(
            f"training diverged in local epoch {epoch} ({reason}): lower learning_rate or momentum",
            epoch=epoch,
            reason=reason,
        )


class TrainingOutOfMemory(AutoglmError):
    """A step did not fit into the memory of the device that trains."""

    code = "training-out-of-memory"
    kind = Kind.EXHAUSTED

    def __init__(self, *, device: str, batch_size: int, checkpointing: bool) -> None:
        hint = "" if checkpointing else ", turn checkpointing on"
        super().__init__(
            f"training with batches of {batch_size} rows ran out of memory on {device}: lower batch_size and raise "
            f"accumulation{hint}, or shorten max_length",
            device=device,
            batch_size=batch_size,
            checkpointing=checkpointing,
        )


class NoCheckpointing(InvalidInput):
    """The model's classes cannot recompute their activations."""

    code = "no-checkpointing"

    def __init__(self) -> None:
        super().__init__("this model cannot train with checkpointing: leave it off and lower batch_size instead")


class UnsupportedPrecision(InvalidInput):
    """The device that trains cannot train in the number format that the configuration asks for."""

    code = "unsupported-precision"

    def __init__(self, *, precision: str, device: str) -> None:
        super().__init__(
            f"{device} does not train in {precision} here: choose precision float32, or bfloat16 on a cpu",
            precision=precision,
            device=device,
        )
