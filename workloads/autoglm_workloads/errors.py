"""What a workload refuses, and why.

A study that asks for what a workload does not do is a `StudyError` like any other. `DataError` and its relatives are
raised at a site: their data are positions and counts, never a path, a column's name or a value, because an error may
leave the site.
"""

from __future__ import annotations

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
    """No usable row is left."""

    code = "data-empty"

    def __init__(self, *, rows: int = 0) -> None:
        super().__init__(
            "the data file has no usable training row: check the file and the rows with missing values", rows=rows
        )


class DataMismatch(DataError):
    """The file does not have the form that the study's schema declares.

    `reason` is one of a closed list; `column` counts from 1 in the schema's order, 0 where no single column is to
    blame; `line` counts from 1 in the file, 0 where the file as a whole is to blame.
    """

    code = "data-mismatch"

    def __init__(self, *, reason: str, column: int = 0, line: int = 0) -> None:
        place = (f" in column {column}" if column else "") + (f" on line {line}" if line else "")
        super().__init__(
            f"the data does not have the study's schema: {reason}{place}; run `autoglm-agent data check` here",
            reason=reason,
            column=column,
            line=line,
        )


class DivergedTraining(AutoglmError):
    """Local training left the finite numbers."""

    code = "diverged-training"
    kind = Kind.ABORTED

    def __init__(self, *, epoch: int) -> None:
        super().__init__(f"training diverged in local epoch {epoch}: lower learning_rate or momentum", epoch=epoch)
