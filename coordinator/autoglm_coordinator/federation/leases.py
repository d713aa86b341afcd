"""Who may use a host now.

Latency is only worth measuring on a quiet host. Training shares its hosts; PROBE takes one for itself. On one machine
the two therefore never overlap, across machines they do. A waiting exclusive lease goes before later shared ones, so
that PROBE does not starve behind an endless row of rounds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class _Host:
    shared: int = 0
    exclusive: bool = False
    waiting: int = 0


class HostLeases:
    """Shared and exclusive leases by host id."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def shared(self, hosts: Iterable[str]) -> AsyncIterator[None]:
        """Hold every one of `hosts` for training, compressing or searching."""
        wanted = [self._hosts[host] for host in sorted(set(hosts))]
        async with self._freed:
            await self._freed.wait_for(lambda: not any(host.exclusive or host.waiting for host in wanted))
            for host in wanted:
                host.shared += 1
        try:
            yield
        finally:
            async with self._freed:
                for host in wanted:
                    host.shared -= 1
                self._freed.notify_all()

    @asynccontextmanager
    async def exclusive(self, host_id: str) -> AsyncIterator[None]:
        """Hold `host_id` alone, for measuring."""
        host = self._hosts[host_id]
        async with self._freed:
            host.waiting += 1
            try:
                await self._freed.wait_for(lambda: not host.exclusive and host.shared == 0)
            finally:
                host.waiting -= 1
                self._freed.notify_all()
            host.exclusive = True
        try:
            yield
        finally:
            async with self._freed:
                host.exclusive = False
                self._freed.notify_all()
