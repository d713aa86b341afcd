"""Many handshakes at one moment, as when all agents of a deployment come back after a restart."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from autoglm_coordinator.pki.authority import LIFETIME, Authority
from autoglm_protos.host import SystemClock
from autoglm_protos.tls import server_credentials
from support.loopback import member, server, server_certificate
from support.manual_clock import ManualClock

AT_ONCE, TIMES = 100, 4


def serve(member_file: str) -> None:
    """A port in a process of its own, open until its input is closed."""

    clock = SystemClock()
    authority = Authority.create("test", now=clock.now())
    credentials = member(authority, clock)
    Path(member_file).write_bytes(credentials.private_key + credentials.certificate)

    async def story() -> None:
        async with server(lambda _: None, server_certificate(authority, clock), mutual=True) as address:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(story())


async def handshake(port: int, member_file: Path) -> str | None:
    """The protocol that was agreed on, or what went wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(member_file)
    context.set_alpn_protocols(["h2"])
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except OSError as error:
        return type(error).__name__
    agreed: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.transport.abort()
    return agreed


def test_a_hundred_handshakes_at_once_do_not_end_the_process(tmp_path: Path) -> None:
    """Half of the runs failed within 15 such bursts before gRPC was told of changed certificates only."""
    member_file = tmp_path / "member.pem"
    command = [sys.executable, "-c", f"from integration.tls_bursts import serve; serve({str(member_file)!r})"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])

        async def bursts() -> Counter[str | None]:
            agreed: Counter[str | None] = Counter()
            for _ in range(TIMES):
                agreed.update(await asyncio.gather(*(handshake(port, member_file) for _ in range(AT_ONCE))))
            return agreed

        try:
            assert asyncio.run(bursts()) == {"h2": AT_ONCE * TIMES}
            assert process.poll() is None
        finally:
            process.stdin.close()
            process.wait(20)


def test_grpc_is_told_of_a_certificate_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC shows nothing of what it was told, so here its function is replaced."""
    told: list[Callable[[], Any]] = []

    def heard(first: object, ask: Callable[[], Any], required: bool) -> object:
        assert first is not None
        assert required
        told.append(ask)
        return object()

    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", heard)
    clock = ManualClock()
    certificate = server_certificate(Authority.create("test", now=clock.now()), clock)
    server_credentials(certificate.current, mutual=True)
    (ask,) = told
    assert [ask(), ask()] == [None, None]
    clock.advance(LIFETIME - timedelta(hours=1))
    assert ask() is not None, "renewed at two thirds of its life"
    assert ask() is None
