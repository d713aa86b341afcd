"""Time as a passed value: whoever needs the clock is given one, so that any schedule can be replayed."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings: wall time for records, monotonic seconds for deadlines."""

    def now(self) -> datetime:
        """The present, in UTC with a time zone."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...
