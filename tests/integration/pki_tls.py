"""The ports as a stranger, an old client, or a member of another deployment meets them."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc.aio
import pytest

from autoglm_coordinator.pki.access import Access
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.clock import Clock
from autoglm_core.errors import AutoglmError, RemoteError
from autoglm_core.identity import Identity, Role
from autoglm_protos.errors import Unreachable, translate
from autoglm_protos.tls import Credentials, open_channel
from support.loopback import member, server, server_certificate
from support.manual_clock import ManualClock


class RealClock(ManualClock):
    """Begins at the present: gRPC checks certificates against the machine's own clock."""

    def __init__(self) -> None:
        from autoglm_protos.host import SystemClock

        super().__init__(SystemClock().now())


def echo(access: Access) -> Callable[[grpc.aio.Server], None]:
    """A service that says who called, once per message of a stream."""

    async def whoami(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for _ in requests:
            yield str(access.authorize(context.auth_context(), Role.AGENT)).encode()

    methods = {"WhoAmI": grpc.stream_stream_rpc_method_handler(whoami)}
    return lambda running: running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo", methods),))


def whoami(channel: Any) -> Any:
    return channel.stream_stream("/echo/WhoAmI")


class Port:
    """One mutual-TLS port of a deployment."""

    def __init__(self, address: str, authority: Authority, access: Access, clock: RealClock) -> None:
        self.address, self.authority, self.access, self.clock = address, authority, access, clock

    async def ask(self, credentials: Credentials) -> str:
        """Who `credentials` are to the server; the error that the call stands for otherwise."""
        async with open_channel(self.address, credentials) as channel:
            call = whoami(channel)(iter([b""]), timeout=10)
            try:
                return "".join([part.decode() async for part in call])
            except grpc.aio.AioRpcError as failure:
                raise translate(failure) from failure


@asynccontextmanager
async def mutual_port() -> AsyncIterator[Port]:
    clock = RealClock()
    authority = Authority.create("north", now=clock.now())
    access = Access("north", revoked=(), clock=clock)
    async with server(echo(access), server_certificate(authority, clock), mutual=True) as address:
        yield Port(address, authority, access, clock)


def on_port(story: Callable[[Port], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with mutual_port() as port:
            await story(port)

    asyncio.run(whole())


async def refused(call: Awaitable[object], code: str) -> None:
    with pytest.raises(AutoglmError) as caught:
        await call
    error = caught.value
    assert (error.remote_code if isinstance(error, RemoteError) else error.code) == code


def test_a_member_is_known_by_its_certificate() -> None:
    async def story(port: Port) -> None:
        assert await port.ask(member(port.authority, port.clock)) == "spiffe://north/agent/st-mary-1"
        await refused(port.ask(member(port.authority, port.clock, role=Role.OPERATOR, id="op-1")), "wrong-role")

    on_port(story)


def test_a_certificate_of_another_authority_is_no_certificate() -> None:
    async def story(port: Port) -> None:
        stranger = member(Authority.create("north", now=port.clock.now()), port.clock)
        with_our_ca = Credentials(stranger.private_key, stranger.certificate, port.authority.pem)
        await refused(port.ask(with_our_ca), Unreachable.code)
        # And the member does not talk to a coordinator of another authority either.
        ours = member(port.authority, port.clock)
        await refused(port.ask(Credentials(ours.private_key, ours.certificate, stranger.ca)), Unreachable.code)

    on_port(story)


def test_an_expired_certificate_is_refused_at_the_handshake() -> None:
    async def story(port: Port) -> None:
        yesterday: Clock = ManualClock(port.clock.now() - timedelta(days=2))
        await refused(port.ask(member(port.authority, yesterday)), Unreachable.code)

    on_port(story)


def test_an_agent_cannot_pose_as_the_coordinator() -> None:
    async def story(port: Port) -> None:
        agent = member(port.authority, port.clock, id="127.0.0.1")

        class Posing:
            def current(self) -> Credentials:
                return agent

        async with server(echo(port.access), Posing(), mutual=True) as address:  # type: ignore[arg-type]
            false_port = Port(address, port.authority, port.access, port.clock)
            await refused(false_port.ask(member(port.authority, port.clock)), Unreachable.code)

    on_port(story)


@pytest.mark.parametrize("event", ["certificate-expired", "identity-revoked"])
def test_an_open_stream_ends_with_expiry_and_revocation(event: str) -> None:
    async def story(port: Port) -> None:
        async with open_channel(port.address, member(port.authority, port.clock)) as channel:
            call = whoami(channel)(timeout=10)
            await call.write(b"")
            assert await call.read() == b"spiffe://north/agent/st-mary-1"
            if event == "certificate-expired":
                port.clock.advance(timedelta(hours=24))
            else:
                port.access.revoke(Identity("north", Role.AGENT, "st-mary-1"))
            await call.write(b"")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            error = translate(caught.value)
            assert isinstance(error, RemoteError) and error.remote_code == event

    on_port(story)


def test_the_server_changes_its_certificate_without_a_restart() -> None:
    async def story(port: Port) -> None:
        before = await shown(port.address)
        assert await shown(port.address) == before
        port.clock.advance(timedelta(hours=17))
        assert await shown(port.address) != before

    on_port(story)


def tls_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    return context


async def shown(address: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=tls_context(version))
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return certificate


@pytest.mark.parametrize("mutual", [True, False])
def test_tls_1_2_is_refused_on_both_ports(mutual: bool) -> None:
    async def story() -> None:
        clock = RealClock()
        certificate = server_certificate(Authority.create("north", now=clock.now()), clock)
        async with server(echo(Access("north", revoked=(), clock=clock)), certificate, mutual=mutual) as address:
            assert await shown(address)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await shown(address, ssl.TLSVersion.TLSv1_2)

    asyncio.run(story())


def test_grpc_loaded_too_early_is_an_error_and_not_a_weaker_connection() -> None:
    program = (
        "import grpc\n"
        "from autoglm_protos.tls import ImportedTooLate, open_join_channel\n"
        "try:\n    open_join_channel('localhost:1', b'')\n"
        "except ImportedTooLate as error:\n    print(error.code)\n"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "imported-too-late\n"
