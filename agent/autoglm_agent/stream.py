"""The one connection to the coordinator: dial, say hello, listen, beat, come back, renew.

The agent dials out and nothing ever dials in. A lost connection is dialled again at once and then ever more rarely. A
certificate is renewed at two thirds of its life over the running channel; because a channel's credentials cannot
change, a second one is opened with the new certificate, and the first is closed when the second was welcomed. That
waits for a moment without tasks, up to a limit. An agent whose certificate ran out while it was off comes back through
the join port, proved by its site key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import grpc.aio

from autoglm_agent.backoff import Backoff
from autoglm_agent.egress import Egress
from autoglm_agent.errors import Disconnected
from autoglm_agent.incoming import Incoming, Welcome
from autoglm_agent.line import Line
from autoglm_agent.outgoing import Beat, RenewCertificate, SayHello
from autoglm_agent.state import Identity, StateFolder
from autoglm_agent.wire import decode
from autoglm_core.clock import Clock
from autoglm_core.encoding import Malformed
from autoglm_core.errors import AutoglmError, RemoteError
from autoglm_core.task import TaskId
from autoglm_protos import enroll
from autoglm_protos.errors import translate
from autoglm_protos.tls import Credentials, open_channel
from autoglm_protos.v1 import agent_pb2 as pb
from autoglm_protos.v1.agent_pb2_grpc import AgentServiceStub

if TYPE_CHECKING:
    from autoglm_protos.v1.agent_pb2_grpc import AgentServiceAsyncStub

LOG = logging.getLogger(__name__)
WELCOME_WITHIN = timedelta(seconds=20)
RENEWAL_RETRY = timedelta(seconds=30)
MOST_QUEUED = 1024
"""Messages that wait to be sent: a coordinator that does not read them gets no more."""
STEADY = timedelta(seconds=0.5)
"""A connection that lived longer was a good one: its loss is a new one."""
FINAL = frozenset({"newer-protocol", "identity-revoked", "reenrolment-refused"})
"""Codes after which dialling again cannot help."""


class Listener(Protocol):
    """Who acts on what the coordinator says."""

    def hello(self) -> SayHello:
        """What to say first on a new stream."""
        ...

    async def welcomed(self, welcome: Welcome) -> None:
        """A stream stands; messages follow."""
        ...

    async def receive(self, message: Incoming) -> None:
        """One message; messages come one by one, in order. Long work must not be awaited here."""
        ...

    def lost(self) -> None:
        """The stream ended."""
        ...

    def running(self) -> tuple[TaskId, ...]:
        """Tasks in work."""
        ...


class Connection:
    """One channel with one stream."""

    def __init__(self, address: str, credentials: Credentials, *, proxy: str | None) -> None:
        self.credentials = credentials
        self.channel = open_channel(address, credentials, proxy=proxy)
        self.stub: AgentServiceAsyncStub = AgentServiceStub(self.channel)
        self._outgoing: asyncio.Queue[pb.AgentMessage | None] = asyncio.Queue()
        self._messages: AsyncIterator[pb.CoordinatorMessage] | None = None

    def put(self, message: pb.AgentMessage) -> None:
        """Queue a message."""
        if self._outgoing.qsize() < MOST_QUEUED:
            self._outgoing.put_nowait(message)

    async def open(self, hello: pb.AgentMessage) -> Welcome:
        """Say hello and wait for the welcome.

        Raises:
            Disconnected: it did not come.
            RemoteError, Unreachable: the coordinator refused, or is not there.
        """
        self.put(hello)
        self._messages = aiter(self.stub.Connect(self._drain()))
        try:
            async with asyncio.timeout(WELCOME_WITHIN.total_seconds()):
                message = await anext(self)
        except TimeoutError:
            raise Disconnected(reason="no welcome") from None
        except StopAsyncIteration:
            raise Disconnected(reason="the stream ended before a welcome") from None
        if not isinstance(message, Welcome):
            raise Disconnected(reason="the first message was no welcome")
        return message

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> Incoming:
        if self._messages is None:
            raise StopAsyncIteration
        while True:
            try:
                return decode(await anext(self._messages))
            except Malformed as error:
                LOG.warning("a message was ignored: %s", error)
            except grpc.aio.AioRpcError as failure:
                raise translate(failure) from failure

    async def _drain(self) -> AsyncIterator[pb.AgentMessage]:
        while (message := await self._outgoing.get()) is not None:
            yield message

    async def close(self) -> None:
        """Finish what is queued, then end."""
        self._outgoing.put_nowait(None)
        await self.channel.close(grace=1.0)


class Stream:
    """Keeps a connection for as long as `run` runs.

    `address`: of agent.toml, where an administrator may correct what the join wrote; None: as joined.
    """

    def __init__(
        self,
        *,
        state: StateFolder,
        address: str | None,
        proxy: str | None,
        line: Line,
        egress: Egress,
        listener: Listener,
        clock: Clock,
        connected: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._address = address
        self._proxy = proxy
        self._line = line
        self._egress = egress
        self._listener = listener
        self._clock = clock
        self._connected = connected
        self._welcomed = False

    async def run(self) -> None:
        """Dial, serve, dial again, until cancelled.

        Raises:
            RemoteError: the coordinator refused this agent for good (`FINAL`).
        """
        delays = Backoff()
        while True:
            begun = self._clock.monotonic()
            try:
                await self._life()
            except RemoteError as error:
                if error.remote_code in FINAL:
                    raise
                LOG.warning("the coordinator refused: %s", error)
            except AutoglmError as error:
                LOG.info("not connected: %s", error)
            if self._clock.monotonic() - begun > STEADY.total_seconds() and self._welcomed:
                delays.reset()
            self._welcomed = False
            await asyncio.sleep(delays.next())

    async def _life(self) -> None:
        """From one dial to the loss of its stream, over every renewal in between."""
        identity = self._state.identity()
        if self._address is not None:
            identity = replace(identity, address=self._address)
        first = Connection(identity.address, await self._valid_credentials(identity), proxy=self._proxy)
        welcome = await self._greet(first)
        self._welcomed = True
        self._connected(identity.address)
        connection: Connection | None = first
        while connection is not None:
            connection, welcome = await self._serve(connection, welcome, identity)

    async def _valid_credentials(self, identity: Identity) -> Credentials:
        credentials = self._state.credentials()
        if self._clock.now() < credentials.expires:
            return credentials
        LOG.info("the certificate ran out; coming back with the site key")
        enrolled = await enroll.reenroll(
            identity.join_address,
            credentials.ca,
            agent_id=identity.agent_id,
            site_key=self._state.site_key(),
            proxy=self._proxy,
        )
        await asyncio.to_thread(self._state.keep, enrolled)
        return enrolled.credentials

    async def _greet(self, connection: Connection) -> Welcome:
        try:
            return await connection.open(self._egress.admit(self._listener.hello()))
        except BaseException:
            await connection.close()
            raise

    async def _serve(
        self, connection: Connection, welcome: Welcome, identity: Identity
    ) -> tuple[Connection | None, Welcome]:
        """Until the stream ends (None) or a renewed one takes its place."""
        self._line.attach(connection)
        beat = asyncio.create_task(self._beat(welcome.heartbeat))
        listen = asyncio.create_task(self._listen(connection, welcome))
        renew = asyncio.create_task(self._renewed(connection, identity))
        try:
            await asyncio.wait((listen, renew), return_when=asyncio.FIRST_COMPLETED)
            if renew.done() and not listen.done():
                return renew.result()
            self._line.detach(connection)
            self._listener.lost()
            listen.result()
            return None, welcome
        finally:
            for task in (beat, listen, renew):
                task.cancel()
            await asyncio.gather(beat, listen, renew, return_exceptions=True)
            self._line.detach(connection)
            await connection.close()

    async def _listen(self, connection: Connection, welcome: Welcome) -> None:
        await self._listener.welcomed(welcome)
        async for message in connection:
            await self._listener.receive(message)

    async def _beat(self, interval: timedelta) -> None:
        while True:
            await asyncio.sleep(interval.total_seconds())
            self._line.send(Beat(self._listener.running()))

    async def _renewed(self, connection: Connection, identity: Identity) -> tuple[Connection, Welcome]:
        """A welcomed connection with a fresh certificate, once it is time."""
        while True:
            await self._until(connection.credentials)
            with contextlib.suppress(AutoglmError):
                return await self._renew(connection, identity)
            LOG.warning("the certificate could not be renewed; trying again")
            await asyncio.sleep(RENEWAL_RETRY.total_seconds())

    async def _until(self, credentials: Credentials) -> None:
        """Two thirds of the certificate's life, and then a moment without tasks before nine tenths of it."""
        while (left := (credentials.renew_at - self._clock.now()).total_seconds()) > 0:  # noqa: ASYNC110
            # The wall clock decides, in short steps: a machine that slept must not oversleep its certificate.
            await asyncio.sleep(min(left, 60.0))
        latest = credentials.expires - (credentials.expires - credentials.renew_at) * 0.3
        while self._listener.running() and self._clock.now() < latest:  # noqa: ASYNC110
            await asyncio.sleep(1.0)

    async def _renew(self, connection: Connection, identity: Identity) -> tuple[Connection, Welcome]:
        self._egress.admit_renewal(RenewCertificate(connection.credentials.certificate))
        credentials = await enroll.renew(connection.channel, connection.credentials.ca)
        await asyncio.to_thread(self._state.keep_credentials, credentials)
        successor = Connection(identity.address, credentials, proxy=self._proxy)
        return successor, await self._greet(successor)
