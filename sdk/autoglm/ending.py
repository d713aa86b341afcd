"""Why a study ended and what it took, in words."""

from __future__ import annotations

from collections.abc import Mapping

from autoglm.progress import duration
from autoglm.results import Result

ENDINGS: Mapping[str, str] = {
    "trials": "all trials of its budget were begun",
    "wall": "its wall time is spent, or another TUNE would probably go beyond it",
    "bytes": "its bytes are spent, or another TUNE would probably go beyond them",
    "energy": "its joules are spent, or another TUNE would probably go beyond them",
    "gain": "two proposals in a row promised less than `budget.gain` asks for",
    "space": "every configuration of its space was tried",
    "operator": "an operator ended it",
}
PREFIXES = ("", "k", "M", "G", "T")


def size(count: float) -> str:
    """Bytes with three digits and their unit, in powers of 1000."""
    return _scaled(count, "B")


def energy(joules: float) -> str:
    """Joules with three digits and their unit."""
    return _scaled(joules, "J")


def _scaled(count: float, unit: str) -> str:
    power = 0
    while count >= 999.5 and power < len(PREFIXES) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {PREFIXES[power]}{unit}"


def spent_text(joules: float, *, modelled: float) -> str:
    """What training took, and how much of that no meter measured."""
    share = modelled / joules if joules else 0.0
    told = "all of it modelled" if share == 1 else f"{share:.0%} of it modelled"
    return energy(joules) + (f", {told}" if modelled else "")


def ending_text(result: Result) -> str:
    """One line; of a study that has not ended yet, what it took so far."""
    told = ENDINGS.get(result.stopped or "")
    parts = [
        f"{result.study_id} ended: {told}" if told else result.study_id,
        f"{len(result.trials)} trials",
        "" if result.study_seconds is None else duration(result.study_seconds),
        "" if result.study_bytes is None else f"{size(result.study_bytes)} sent and received by its sites",
        _trained(result),
    ]
    return "; ".join(part for part in parts if part)


def _trained(result: Result) -> str:
    if not result.study_joules:
        return ""
    return f"{spent_text(result.study_joules, modelled=result.study_modelled_joules)} in training at its sites"
