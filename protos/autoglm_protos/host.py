"""Which machine this is, so that agents and coordinator on one machine know of each other.

A measurement needs a quiet host: the coordinator leases hosts, not agents. The id is a hash, because a machine id is
meant to stay on its machine (see machine-id(5)).
"""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")


def host_id() -> str:
    """16 hexadecimal digits, equal for every process of one machine; a hash of its machine id or else its name."""
    try:
        name = _MACHINE_ID.read_text().strip()
    except OSError:
        name = ""
    return hashlib.sha256(f"autoglm/v1/host/{name or socket.gethostname()}".encode()).hexdigest()[:16]
