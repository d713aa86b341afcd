"""The machine a daemon runs on: its clock, and an id by which agents and coordinator on one machine know of each other.

A measurement needs a quiet host: the coordinator leases hosts, not agents. The id is a hash, because a machine id is
meant to stay on its machine (see machine-id(5)).
"""

from __future__ import annotations

import hashlib
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")


def host_id() -> str:
    """16 hexadecimal digits, equal for every process of one machine; a hash of its machine id or else its name."""
    try:
        name = _MACHINE_ID.read_text().strip()
    except OSError:
        name = ""
    return hashlib.sha256(f"autoglm/v1/host/{name or socket.gethostname()}".encode()).hexdigest()[:16]


class SystemClock:
    """`autoglm_core.clock.Clock` as the operating system has it."""

    def now(self) -> datetime:
        """The present, in UTC with a time zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()
