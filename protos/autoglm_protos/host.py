"""Which machine this is, so that agents and coordinator on one machine know of each other.

A measurement needs a quiet host: the coordinator leases hosts, not agents. The id is a hash, because a machine id is meant to stay
on its machine (see machine-id(5)).
"""

from __future__ import annotations

import socket
from pathlib import Path

from autoglm_core.canonical import digest

_MACHINE_ID = Path("/etc/machine-id")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""The same in every container of one machine, unlike the machine id."""


def host_id() -> str:
    """16 hexadecimal digits; equal for every process of one machine until it is started anew."""
    for path in (_BOOT_ID, _MACHINE_ID):
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text:
            return digest(f"autoglm/v1/host/{text}".encode())[:16]
    return digest(f"autoglm/v1/host/{socket.gethostname()}".encode())[:16]
