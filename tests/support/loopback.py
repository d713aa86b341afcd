"""Real servers on loopback, with certificates of a throw-away authority."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc.aio

from autoglm_coordinator.pki.authority import Authority
from autoglm_coordinator.pki.server_certificate import ServerCertificate
from autoglm_core.clock import Clock
from autoglm_core.identity import Identity, Role
from autoglm_protos.enroll import new_request
from autoglm_protos.errors import ErrorInterceptor
from autoglm_protos.tls import Credentials, server_credentials, server_options

HOST = "127.0.0.1"


@asynccontextmanager
async def server(
    add: Callable[[grpc.aio.Server], None], certificate: ServerCertificate, *, mutual: bool
) -> AsyncIterator[str]:
    """A server with our options and interceptor; its `host:port`."""
    running = grpc.aio.server(options=server_options(), interceptors=[ErrorInterceptor()])
    add(running)
    port = running.add_secure_port(f"{HOST}:0", server_credentials(certificate.current, mutual=mutual))
    await running.start()
    try:
        yield f"{HOST}:{port}"
    finally:
        await running.stop(None)


def server_certificate(authority: Authority, clock: Clock) -> ServerCertificate:
    return ServerCertificate(authority, hosts=[HOST], clock=clock)


def member(authority: Authority, clock: Clock, *, role: Role = Role.AGENT, id: str = "st-mary-1") -> Credentials:
    """Fresh credentials of one member."""
    request = new_request()
    issued = authority.issue(request.csr, Identity(authority.deployment, role, id), now=clock.now())
    return Credentials(request.private_key, issued.certificate, issued.ca)


@asynccontextmanager
async def proxy(refuse: bool = False) -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that knows CONNECT alone; its address and the targets it was asked for."""
    asked: list[str] = []
    pipes: set[asyncio.Task[None]] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split()[1].decode()
        asked.append(target)
        if refuse:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            writer.close()
            return
        host, _, port = target.rpartition(":")
        upstream, downstream = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        pipes.update(asyncio.create_task(task) for task in (pipe(reader, downstream), pipe(upstream, writer)))

    listener = await asyncio.start_server(connect, HOST, 0)
    try:
        yield f"http://{HOST}:{listener.sockets[0].getsockname()[1]}", asked
    finally:
        listener.close()
        for task in pipes:
            task.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)
