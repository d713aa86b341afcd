"""Live progress of a study: a small panel that rewrites itself on a terminal, plain lines anywhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TextIO

FINAL_STATES = frozenset({"completed", "stopped", "failed"})
BAR = 24
MINUTE = 60
PLAIN_SECONDS = 5.0
"""A plain line at least this far after the one before, unless the state or the stage changed."""


@dataclass(frozen=True)
class Progress:
    """How far a study is. `best` is the validation value of the first objective; NaN where nothing is measured yet."""

    study_id: str
    state: str
    approved: int = 0
    wanted: int = 0
    trials_final: int = 0
    trials_budget: int = 0
    tunes: int = 0
    round: int = 0
    rounds: int = 0
    sites: int = 0
    sites_wanted: int = 0
    best: float = math.nan
    seconds: float = 0.0
    seconds_left: float = math.nan
    stage: str = ""
    fronts: Mapping[str, int] = field(default_factory=dict)
    error_code: str = ""
    error: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self.state in FINAL_STATES


class ProgressView(Protocol):
    """Where progress is shown."""

    def show(self, progress: Progress) -> None:
        """Show the newest state."""
        ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...


def duration(seconds: float) -> str:
    """`seconds` as a reader says them; empty where they are not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 3 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min"


def plain_line(progress: Progress) -> str:
    """The state in one line."""
    if progress.state == "awaiting-approval":
        return f"{progress.study_id} awaiting approval ({progress.approved}/{progress.wanted})"
    parts = [
        f"trial {progress.trials_final}/{progress.trials_budget}",
        f"tunes {progress.tunes}",
        *_work(progress),
        _fronts(progress),
        "" if math.isnan(progress.best) else f"best {progress.best:.3f}",
        progress.stage.lower(),
        _left(progress),
        progress.state if progress.final else "",
        "" if progress.final else progress.error,
    ]
    return "  ".join(part for part in parts if part)


def panel_lines(progress: Progress) -> list[str]:
    """The state in three lines, with one more where it waits."""
    if progress.state == "awaiting-approval":
        return [plain_line(progress)]
    share = progress.trials_final / progress.trials_budget if progress.trials_budget else 0.0
    filled = min(BAR, round(BAR * share))
    best = "" if math.isnan(progress.best) else f"   best {progress.best:.3f}"
    times = f"{duration(progress.seconds)} gone   {_left(progress)}".rstrip()
    counts = [f"{progress.trials_final}/{progress.trials_budget}", f"tunes {progress.tunes}", *_work(progress)]
    waits = [f"  {progress.error}"] if progress.error and not progress.final else []
    return [
        f"{progress.study_id}  {progress.state}  {progress.stage}".rstrip(),
        *waits,
        f"  trials [{'#' * filled}{'.' * (BAR - filled)}] {'   '.join(counts)}",
        f"  {_fronts(progress) or 'front empty so far'}{best}   {times}",
    ]


def _work(progress: Progress) -> list[str]:
    """The round and its sites; nothing once no round will follow."""
    if progress.final or not progress.sites_wanted:
        return []
    return [f"round {progress.round}/{progress.rounds}", f"sites {progress.sites}/{progress.sites_wanted}"]


def _fronts(progress: Progress) -> str:
    points = ", ".join(f"{name} {count}" for name, count in sorted(progress.fronts.items()) if count)
    return f"front {points}" if points else ""


def _left(progress: Progress) -> str:
    left = duration(progress.seconds_left)
    return f"left {left}" if left and not progress.final else ""


class PlainLines:
    """One line at a time, at most one in `PLAIN_SECONDS` while nothing but the counts change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_key: tuple[str, ...] | None = None
        self._last_seconds = -math.inf

    def show(self, progress: Progress) -> None:
        """Write a line if enough has changed."""
        key = (progress.state, str(progress.approved), progress.error_code)
        if key == self._last_key and abs(progress.seconds - self._last_seconds) < PLAIN_SECONDS:
            return
        self._last_key, self._last_seconds = key, progress.seconds
        self.say(plain_line(progress))

    def say(self, text: str) -> None:
        """Write `text` at once."""
        print(text, file=self._stream, flush=True)


class Panel:
    """A few lines at the bottom of a terminal, drawn over at each call."""

    def __init__(self, stream: TextIO, *, width: int) -> None:
        self._stream = stream
        self._width = width
        self._drawn = 0

    def show(self, progress: Progress) -> None:
        """Draw the panel over the last one."""
        lines = [line[: self._width - 1] for line in panel_lines(progress)]
        self._stream.write(self._erase() + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = 0 if progress.final else len(lines)

    def say(self, text: str) -> None:
        """Write a line that stays above the panel's next drawing."""
        self._stream.write(f"{self._erase()}{text}\n")
        self._stream.flush()
        self._drawn = 0

    def _erase(self) -> str:
        return f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""


def view_for(stream: TextIO, *, width: int) -> ProgressView:
    """A panel where `stream` is a terminal, else plain lines."""
    return Panel(stream, width=width) if stream.isatty() else PlainLines(stream)
