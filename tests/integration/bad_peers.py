"""Who knocks at a running coordinator without the right to: refused at the port or at the first call, with a reason."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from autoglm.control import ControlClient
from autoglm.credentials import OperatorCredentials, load_credentials
from autoglm.errors import CoordinatorUnreachable
from autoglm.processes import Daemon, wait_until
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.errors import AutoglmError, RemoteError
from autoglm_core.identity import JoinToken, Role
from autoglm_core.privacy.keys import SiteKey
from autoglm_protos import enroll
from autoglm_protos.errors import Unreachable, translate
from autoglm_protos.host import SystemClock
from autoglm_protos.tls import Credentials, open_channel, open_join_channel
from autoglm_protos.v1 import agent_pb2, join_pb2, join_pb2_grpc
from autoglm_protos.v1.agent_pb2_grpc import AgentServiceStub
from support.consortium import Consortium, Member
from support.loopback import member

PROTOCOL = enroll.PROTOCOL


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A coordinator and one agent."""
    with Consortium(tmp_path_factory.mktemp("peers"), Member("st-mary"), Member("va")) as running:
        running.join("st-mary")
        yield running


def operator_of(consortium: Consortium) -> OperatorCredentials:
    return load_credentials(consortium.operator.folder / "home")


def agent_credentials(consortium: Consortium) -> Credentials:
    return consortium["st-mary"].state.credentials()


def address(consortium: Consortium) -> str:
    return operator_of(consortium).address


async def hello(
    where: str, credentials: Credentials, *, protocol: int = PROTOCOL, after: Callable[[], None] = lambda: None
) -> list[str]:
    """Connect and say hello; kinds of what comes back until the stream ends.

    Raises:
        AutoglmError: what the call was ended with.
    """
    heard: list[str] = []

    async def messages() -> AsyncIterator[agent_pb2.AgentMessage]:
        yield agent_pb2.AgentMessage(hello=agent_pb2.Hello(protocol=protocol, version="1", host_id="h"))
        # Then silent but alive, like a peer that ignores what it is told.
        await asyncio.Event().wait()

    async with open_channel(where, credentials) as channel:
        stub: Any = AgentServiceStub(channel)
        try:
            async for message in stub.Connect(messages(), timeout=20):
                heard.append(str(message.WhichOneof("message")))
                await asyncio.to_thread(after)
        except grpc.aio.AioRpcError as failure:
            raise translate(failure) from failure
    return heard


def code_of(call: Awaitable[object]) -> str:
    """The code that `call` is refused with."""

    async def refused() -> str:
        with pytest.raises(AutoglmError) as caught:
            await call
        error = caught.value
        return error.remote_code if isinstance(error, RemoteError) else error.code

    return asyncio.run(refused())


def test_an_operator_is_no_agent(consortium: Consortium) -> None:
    held = operator_of(consortium)
    credentials = Credentials(held.key, held.certificate, held.authority)
    # gRPC may reset a refused stream before its status is read ("internal"): an agent dials again, and so do we.
    codes = [code_of(hello(held.address, credentials)) for _ in range(3)]
    assert "wrong-role" in codes
    assert set(codes) <= {"wrong-role", "internal"}


@pytest.mark.parametrize("role", [Role.AGENT, Role.OPERATOR])
def test_a_certificate_of_another_authority_opens_nothing(consortium: Consortium, role: Role) -> None:
    held = operator_of(consortium)
    stranger = member(Authority.create("autoglm", now=SystemClock().now()), SystemClock(), role=role, id="st-mary")
    false = Credentials(stranger.private_key, stranger.certificate, held.authority)
    assert code_of(hello(held.address, false)) == Unreachable.code
    with (
        ControlClient(replace(held, certificate=false.certificate, key=false.private_key)) as client,
        pytest.raises(CoordinatorUnreachable, match="certificate"),
    ):
        client.agents()


def test_tls_1_2_is_spoken_on_neither_port(consortium: Consortium) -> None:
    ready = consortium.coordinator.output().split("autoglm-coordinator ready ", 1)[1].split()[:2]
    ports = [int(word.rpartition(":")[2]) for word in ready]
    held = agent_credentials(consortium)

    async def handshake(port: int, version: ssl.TLSVersion, folder: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(folder / "tls.pem")
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.transport.abort()

    assert held.certificate
    for port in ports:
        asyncio.run(handshake(port, ssl.TLSVersion.TLSv1_3, consortium["st-mary"].state.path))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asyncio.run(handshake(port, ssl.TLSVersion.TLSv1_2, consortium["st-mary"].state.path))


def test_a_newer_protocol_is_told_what_to_install(consortium: Consortium) -> None:
    assert code_of(hello(address(consortium), agent_credentials(consortium), protocol=PROTOCOL + 1)) == "newer-protocol"
    token = JoinToken.parse(consortium.operator.types("join-token", "newer"))

    async def join_newer() -> None:
        ca = await enroll.fetch_authority(token)
        async with open_join_channel(token.address, ca) as channel:
            stub: Any = join_pb2_grpc.JoinServiceStub(channel)
            try:
                await stub.Join(join_pb2.JoinRequest(protocol=PROTOCOL + 1, secret=token.secret), timeout=10)
            except grpc.aio.AioRpcError as failure:
                raise translate(failure) from failure

    assert code_of(join_newer()) == "newer-protocol"
    key = SiteKey.generate()
    assert asyncio.run(enroll.join(token, name="newer", site_key=key)).id.startswith("newer-"), "the token is unspent"


def test_the_daemon_of_a_newer_agent_ends_with_that_one_error(consortium: Consortium) -> None:
    mary = consortium["st-mary"]
    mary.daemon.terminate()
    assert mary.daemon.wait(seconds=20)
    program = (
        "import sys; from autoglm_agent import wire; wire.PROTOCOL += 1;"
        "from autoglm_agent.command_line import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "run", "--config", str(mary.config)]
    newer = Daemon("newer", command, log=consortium.logs / "newer.log")
    newer.start()
    assert newer.wait(seconds=20)
    said = newer.output().splitlines()[-1]
    assert said.startswith("autoglm-agent: the agent speaks protocol 2, this coordinator 1: upgrade")
    assert "Traceback" not in newer.output()
    mary.daemon.start()
    consortium.wait_connected("st-mary")


def test_a_revoked_agents_open_stream_ends_and_it_learns_why(consortium: Consortium) -> None:
    consortium.join("va")
    va = consortium["va"]
    assert "va is revoked" in consortium.operator.types("agents", "--revoke", "va")
    assert va.daemon.wait(seconds=5), "the stream is closed within 5 s"
    assert "was revoked: ask the operator for a new token" in va.daemon.output().splitlines()[-1]
    assert code_of(hello(address(consortium), va.state.credentials())) == "identity-revoked"
    agents = {agent.name: agent for agent in consortium.client.agents()}
    assert agents["va"].revoked
    assert not agents["va"].connected
    assert agents["st-mary"].connected


def test_a_revoked_agent_that_does_not_listen_is_cut_off(consortium: Consortium, tmp_path: Path) -> None:
    token = JoinToken.parse(consortium.operator.types("join-token", "deaf"))
    enrolled = asyncio.run(enroll.join(token, name="deaf", site_key=SiteKey.generate()))

    def revoke() -> None:
        wait_until(lambda: "deaf" in connected(consortium), what="its stream", seconds=5)
        consortium.operator.types("agents", "--revoke", "deaf")

    async def within() -> list[str]:
        async with asyncio.timeout(10):
            return await hello(enrolled.address, enrolled.credentials, after=revoke)

    assert asyncio.run(within()) == ["welcome"]
    assert "deaf" not in connected(consortium)


def connected(consortium: Consortium) -> set[str]:
    return {agent.name for agent in consortium.client.agents() if agent.connected}
