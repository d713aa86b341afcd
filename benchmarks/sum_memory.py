"""Memory that a coordinator needs for a sum while all its sites upload at the same time.

A child process (`sum_server.py`) is the coordinator: its own servicer, session driver and store behind a mutual-TLS
port. This process is the sites, each with an agent's own connection, egress and half of the session. Of two equal
sessions the second counts: the coordinator's highest resident memory in it, less what it held between the two. What it
kept from the first are its connections' buffers, about 1 MB a site however long the vector; `peak_vectors_first`, of
the first, has them in it.

    python benchmarks/sum_memory.py [--sites 100] [--parameters 10000000] [--clear] [--json]

With `--clear` the session's spec says that vectors travel clear: the coordinator's memory is the same, and a hundred
sites need not make a hundred masks each before they can upload.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from sum_server import HOST, ROSTER
from sum_session import DEPLOYMENT, Party

from autoglm_agent.audit import AuditLog
from autoglm_agent.backoff import Backoff
from autoglm_agent.egress import Egress
from autoglm_agent.incoming import SessionOffered, SessionReceived
from autoglm_agent.line import Line
from autoglm_agent.outgoing import Beat, SayHello, SendInSession, UploadVector
from autoglm_agent.stream import Connection
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.errors import AutoglmError
from autoglm_core.identity import Identity, Role
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_events import InputReady, Received, Send, SiteEvent, Start, UploadMasked
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector
from autoglm_protos.enroll import new_request
from autoglm_protos.host import SystemClock
from autoglm_protos.tls import Credentials

TARGET = 3.0
BEAT_SECONDS = 3.0


class Uploader:
    """One site: takes part in every session that it is offered, until it is cancelled."""

    def __init__(self, party: Party, name: str, folder: Path, credentials: Credentials, address: str) -> None:
        self._party, self._name = party, name
        self._egress = Egress(AuditLog(folder / f"{name}.audit"))
        self._line = Line(self._egress)
        self._address, self._credentials = address, credentials
        self._sessions: dict[bytes, SiteSession] = {}
        self._uploads = asyncio.TaskGroup()

    async def run(self) -> None:
        """Say hello, then follow the coordinator."""
        async with self._uploads:
            connection = await self._connect()
            self._line.attach(connection)
            self._uploads.create_task(self._beat())
            async for message in connection:
                match message:
                    case SessionOffered(spec=encoded):
                        spec = SessionSpec.decode(encoded)
                        self._sessions[spec.session_id] = self._party.site(spec, self._name)
                        await self._handle(spec, Start(), InputReady(shared_vector(spec)))
                    case SessionReceived(session_id, inner):
                        await self._handle(self._sessions[session_id].spec, Received(inner))

    async def _connect(self) -> Connection:
        delays = Backoff()
        while True:
            connection = Connection(self._address, self._credentials, proxy=None)
            try:
                await connection.open(self._egress.admit(SayHello("0", "", "", (), "", 0, 0, "")))
            except AutoglmError:  # a hundred handshakes at once: one may fail, as for any agent
                await asyncio.sleep(delays.next())
            else:
                return connection

    async def _handle(self, spec: SessionSpec, *events: SiteEvent) -> None:
        for event in events:
            for instruction in await asyncio.to_thread(self._sessions[spec.session_id].handle, event):
                match instruction:
                    case Send(message):
                        self._line.send(SendInSession(spec.session_id, message, spec.study_id))
                    case UploadMasked(vector, header):
                        upload = UploadVector(spec.session_id, vector, header, spec.study_id)
                        self._uploads.create_task(self._line.upload(upload))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self._line.send(Beat(()))


VECTORS: dict[int, ClearVector] = {}


def shared_vector(spec: SessionSpec) -> ClearVector:
    """0, 1, 2 ..., the same memory for every site: this machine need not hold a hundred of them."""
    if spec.parameters not in VECTORS:
        body = np.arange(spec.parameters, dtype=spec.layout.body_dtype)
        VECTORS[spec.parameters] = ClearVector(body=body, tail=np.zeros(spec.layout.tail, np.uint64))
    return VECTORS[spec.parameters]


async def measure(sites: int, parameters: int, *, clear: bool) -> dict[str, float]:
    """Start the coordinator, connect every site, and return what the coordinator measured."""
    with tempfile.TemporaryDirectory() as name:
        folder, party = Path(name), Party.of(sites)
        authority = Authority.create(DEPLOYMENT, now=SystemClock().now())
        authority.save(folder)
        (folder / ROSTER).write_bytes(party.roster.encode())
        script = str(Path(__file__).with_name("sum_server.py"))
        words = [sys.executable, script, name, str(parameters), *(["--clear"] if clear else [])]
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
        try:
            assert child.stdout is not None
            address = f"{HOST}:{(await child.stdout.readline()).split()[1].decode()}"
            async with asyncio.TaskGroup() as group:
                running = [
                    group.create_task(Uploader(party, site, folder, _credentials(authority, site), address).run())
                    for site in party.keys
                ]
                line = await child.stdout.readline()
                for task in running:
                    task.cancel()
        finally:
            await child.communicate(b"")  # closes its input
    if not line:
        raise SystemExit("the coordinator ended without a result: its error stands above")
    found: dict[str, float] = json.loads(line)
    return found


def _credentials(authority: Authority, site: str) -> Credentials:
    request = new_request()
    issued = authority.issue(request.csr, Identity(DEPLOYMENT, Role.AGENT, site), now=SystemClock().now())
    return Credentials(request.private_key, issued.certificate, issued.ca)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--parameters", type=int, default=10_000_000)
    parser.add_argument("--clear", action="store_true", help="no masks")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    found = asyncio.run(measure(options.sites, options.parameters, clear=options.clear))
    print(
        f"{options.sites} sites, {options.parameters} parameters: {found['peak_vectors']:.2f} vectors of "
        f"{found['vector_mb']:.1f} MB (at most {TARGET:.0f}), {found['seconds']:.1f} s\n"
        f"in the first session, connections' buffers included: {found['peak_vectors_first']:.2f}; "
        f"{found['kept_mb']:.0f} MB of it stayed"
    )
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
