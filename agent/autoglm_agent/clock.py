"""The machine's clock, as `autoglm_core.clock.Clock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time in UTC and monotonic seconds."""

    def now(self) -> datetime:
        """The present, in UTC with a time zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()
