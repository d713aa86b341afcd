"""Why a study ended and what it took, in words."""

from __future__ import annotations

from collections.abc import Mapping

from autoglm.progress import duration
from autoglm.results import Result

ENDINGS: Mapping[str, str] = {
    "trials": "all trials of its budget were begun",
    "wall": "its wall time is spent, or another TUNE would probably go beyond it",
    "bytes": "its bytes are spent, or another TUNE would probably go beyond them",
    "gain": "two proposals in a row promised less than `budget.gain` asks for",
    "space": "every configuration of its space was tried",
    "operator": "an operator ended it",
}
UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Bytes with three digits and their unit, in powers of 1000."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g} {UNITS[unit]}"


def ending_text(result: Result) -> str:
    """One line; of a study that has not ended yet, what it took so far."""
    told = ENDINGS.get(result.stopped or "")
    parts = [
        f"{result.study_id} ended: {told}" if told else result.study_id,
        f"{len(result.trials)} trials",
        "" if result.study_seconds is None else duration(result.study_seconds),
        "" if result.study_bytes is None else f"{size(result.study_bytes)} sent and received by its sites",
    ]
    return "; ".join(part for part in parts if part)
