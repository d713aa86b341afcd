"""The coordinator's side of `sum_memory.py`: its own service, fleet, session driver and store behind a port.

    python benchmarks/sum_server.py FOLDER PARAMETERS [--clear]

FOLDER holds the authority and the roster. The first line of output names the port, the second is a JSON object; then
it stays until its input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import autoglm_protos.tls  # isort: skip  # before grpc, so that TLS 1.3 is pinned
import grpc.aio
import numpy as np
from sum_session import DEPLOYMENT, Party

from autoglm_coordinator.federation.active_session import Deadlines
from autoglm_coordinator.federation.blame import Blames
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.receptions import Receptions
from autoglm_coordinator.federation.session_driver import SessionDriver
from autoglm_coordinator.pki.access import Access
from autoglm_coordinator.pki.authority import Authority
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.pki.server_certificate import ServerCertificate
from autoglm_coordinator.service.agents import AgentService, Deployment
from autoglm_coordinator.service.gate import Gate
from autoglm_coordinator.store.api import AgentRecord
from autoglm_coordinator.store.sql import open_store
from autoglm_core.measurement import Split
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.sealing import StudyKey
from autoglm_core.task import Manifest
from autoglm_protos.errors import ErrorInterceptor
from autoglm_protos.host import SystemClock
from autoglm_protos.v1 import agent_pb2_grpc

ROSTER = "roster"
HOST = "127.0.0.1"
CHECKED = 1000
"""So many parameters of a sum are compared with what it must be, and the session before the first has so many."""
CONNECTED_SECONDS = 60.0
THREADS = 2


class Server:
    """A coordinator without studies."""

    def __init__(self, folder: Path) -> None:
        self._party = Party(Roster.decode((folder / ROSTER).read_bytes()), {})
        self._clock = SystemClock()
        self._authority = Authority.load(folder)
        self._store = open_store(folder / "state")
        self._fleet = Fleet()
        self._pool = ThreadPoolExecutor(THREADS)
        self._driver = SessionDriver(
            fleet=self._fleet,
            store=self._store,
            blames=Blames(self._store, self._clock),
            deadlines=Deadlines(),
            parallel=self._pool.map,
            parts=THREADS,
        )

    async def serve(self, parameters: int, *, masked: bool) -> None:
        """Wait for every site, then measure two equal sessions."""
        async with AsyncExitStack() as stack:
            stack.callback(self._pool.shutdown)
            stack.push_async_callback(self._store.close)
            for site in self._party.roster.sites:
                await self._store.put_agent(AgentRecord(site.site_id, site.name, site.public_key, self._clock.now()))
            print("port", await self._listen(stack), flush=True)
            async with asyncio.timeout(CONNECTED_SECONDS):
                while len(self._fleet.links()) < len(self._party.roster.sites):
                    await self._fleet.changed(CONNECTED_SECONDS)
            print(json.dumps(await self._measure(parameters, masked=masked)), flush=True)
            await asyncio.to_thread(sys.stdin.read)

    async def _measure(self, parameters: int, *, masked: bool) -> dict[str, float]:
        await self._sum(CHECKED, masked=masked)
        vector, connected = self._party.spec(parameters).layout.byte_size, _resident()
        _, first = await self._watched_sum(parameters, masked=masked)
        kept = _resident()
        seconds, second = await self._watched_sum(parameters, masked=masked)
        return {
            "peak_vectors": (second - kept) / vector,
            "peak_vectors_first": (first - connected) / vector,
            "kept_mb": (kept - connected) / 1e6,
            "vector_mb": vector / 1e6,
            "seconds": seconds,
        }

    async def _watched_sum(self, parameters: int, *, masked: bool) -> tuple[float, int]:
        """Seconds of a session, and the highest resident memory in it."""
        _forget_peak()
        seconds = await self._sum(parameters, masked=masked)
        return seconds, _status("VmHWM")

    async def _listen(self, stack: AsyncExitStack) -> int:
        access = Access(DEPLOYMENT, revoked=(), clock=self._clock)
        service = AgentService(
            gate=Gate(access),
            enrolment=Enrolment(authority=self._authority, store=self._store, access=access, clock=self._clock),
            fleet=self._fleet,
            store=self._store,
            driver=self._driver,
            receptions=Receptions(),
            deployment=Deployment(DEPLOYMENT, 1, StudyKey.generate().public, self._authority.pem),
            clock=self._clock,
        )
        server = grpc.aio.server(options=autoglm_protos.tls.server_options(), interceptors=[ErrorInterceptor()])
        agent_pb2_grpc.add_AgentServiceServicer_to_server(service, server)
        certificate = ServerCertificate(self._authority, hosts=[HOST], clock=self._clock)
        credentials = autoglm_protos.tls.server_credentials(certificate.current, mutual=True)
        port = server.add_secure_port(f"{HOST}:0", credentials)
        await server.start()
        stack.push_async_callback(server.stop, 1)
        return int(port)

    async def _sum(self, parameters: int, *, masked: bool) -> float:
        """Run one session; its seconds. Every site sums in 0, 1, 2 ..."""
        spec = self._party.spec(parameters, masked=masked)
        begun = self._clock.monotonic()
        result = await self._driver.run(spec, self._party.roster, Manifest((), Split.TRAIN, None, "00"))
        seconds = self._clock.monotonic() - begun
        last = np.arange(parameters - CHECKED, parameters) * len(spec.cohort)
        if not np.array_equal(result.body_sum[-CHECKED:], last):
            raise SystemExit("the sum is wrong")
        return seconds


def _forget_peak() -> None:
    """The highest resident memory counts from here."""
    Path("/proc/self/clear_refs").write_text("5")


def _resident() -> int:
    """Bytes that are really in use: what was freed goes back to the system first."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return _status("VmRSS")


def _status(name: str) -> int:
    """Bytes, from one line of this process's status."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The coordinator's side of sum_memory.py.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("parameters", type=int)
    parser.add_argument("--clear", action="store_true")
    options = parser.parse_args()
    asyncio.run(Server(options.folder).serve(options.parameters, masked=not options.clear))


if __name__ == "__main__":
    main()
