"""The real clock, and which host this is."""

from __future__ import annotations

import hashlib
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")


class SystemClock:
    """`autoglm_core.clock.Clock` over the operating system's."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()


def host_id() -> str:
    """The same for every daemon on one machine, and telling nothing about it: a hash of its machine id or name."""
    try:
        name = MACHINE_ID.read_text().strip()
    except OSError:
        name = ""
    return hashlib.sha256(f"autoglm/v1/host/{name or socket.gethostname()}".encode()).hexdigest()[:16]
