"""The coordinator daemon: store, authority, fleet and studies behind two ports.

The join port speaks server TLS only; everything else comes over the mutual-TLS port. Nothing is acknowledged before
it is in the store, so the daemon may be killed at any moment: the next start takes every study up where the store
says it stands.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import grpc.aio

import autoglm_protos.errors
import autoglm_protos.tls
from autoglm_coordinator.config import CoordinatorConfig
from autoglm_coordinator.federation.active_session import Deadlines
from autoglm_coordinator.federation.blame import Blames
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.leases import HostLeases
from autoglm_coordinator.federation.receptions import Receptions
from autoglm_coordinator.federation.session_driver import SessionDriver
from autoglm_coordinator.federation.sessions import Sessions
from autoglm_coordinator.federation.transport import SendDrain
from autoglm_coordinator.pki.access import Access
from autoglm_coordinator.pki.authority import Authority
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.pki.server_certificate import ServerCertificate
from autoglm_coordinator.service.agents import AgentService, Deployment
from autoglm_coordinator.service.control import ControlService
from autoglm_coordinator.service.gate import Gate
from autoglm_coordinator.service.join import Addresses, JoinService
from autoglm_coordinator.store.api import Store
from autoglm_coordinator.store.sql import open_store
from autoglm_coordinator.trials.stages import Tools
from autoglm_coordinator.trials.studies import Studies
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.privacy.sealing import StudyKey
from autoglm_protos.host import SystemClock, host_id
from autoglm_protos.v1 import agent_pb2_grpc, control_pb2_grpc, join_pb2_grpc
from autoglm_workloads.child.host import ChildProcess

LOG = logging.getLogger(__name__)
DRAIN = timedelta(seconds=5)
CHILD_TASKS = "autoglm_coordinator.child_tasks:TABLE"


class PortTaken(AutoglmError):
    """A port could not be opened."""

    code = "port-taken"
    kind = Kind.CONFLICT

    def __init__(self, *, port: int) -> None:
        super().__init__(
            f"port {port} cannot be opened: another program has it, or it needs privileges; "
            "change [listen] in coordinator.toml",
            port=port,
        )


@dataclass(frozen=True)
class Ports:
    """The two ports, as opened."""

    join: int
    agents: int


class Coordinator:
    """One coordinator. `async with` starts it and, at the end, drains it."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self._config = config
        self._clock = SystemClock()
        self._stack = AsyncExitStack()
        self._fleet: Fleet | None = None
        self.ports = Ports(0, 0)

    async def __aenter__(self) -> Coordinator:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._fleet is not None:
            for link in self._fleet.links():
                link.send(SendDrain(int(DRAIN.total_seconds())))
        await self._stack.aclose()

    async def _start(self) -> None:
        config = self._config
        authority = Authority.load(config.pki)
        key = StudyKey.from_bytes(config.study_key.read_bytes())
        store = open_store(config.state, url=config.store_url)
        self._stack.push_async_callback(store.close)
        epoch = await store.bump_epoch()
        tools = await self._tools(store, key, epoch)
        studies = Studies(tools=tools.tools, clock=self._clock)
        self._stack.push_async_callback(studies.close)
        access = Access(authority.deployment, revoked=await store.revocations(), clock=self._clock)
        enrolment = Enrolment(authority=authority, store=store, access=access, clock=self._clock)
        addresses = Addresses(config.join_address, config.mutual_address)
        gate = Gate(access)
        deployment = Deployment(authority.deployment, epoch, key.public, authority.pem)
        agents = AgentService(
            gate=gate,
            enrolment=enrolment,
            fleet=tools.tools.fleet,
            store=store,
            driver=tools.driver,
            receptions=Receptions(config.upload_bytes),
            deployment=deployment,
            clock=self._clock,
        )
        control = ControlService(
            gate=gate,
            enrolment=enrolment,
            tools=tools.tools,
            studies=studies,
            deployment=authority.deployment,
            addresses=addresses,
        )
        join = JoinService(enrolment=enrolment, ca=authority.pem, addresses=addresses)
        await self._listen(authority, join=join, agents=agents, control=control)
        await studies.resume()

    async def _tools(self, store: Store, key: StudyKey, epoch: int) -> _Parts:
        fleet = self._fleet = Fleet()
        leases = HostLeases()
        blames = Blames(store, self._clock)
        await blames.load()
        deadlines = self._config.deadlines
        threads = len(os.sched_getaffinity(0))
        unmasking = ThreadPoolExecutor(threads, thread_name_prefix="unmask")
        self._stack.callback(unmasking.shutdown)
        driver = SessionDriver(
            fleet=fleet,
            store=store,
            blames=blames,
            deadlines=Deadlines(deadlines.work, deadlines.answer),
            parallel=unmasking.map,
            parts=threads,
        )
        sessions = Sessions(
            fleet=fleet,
            blames=blames,
            leases=leases,
            driver=driver,
            store_epoch=epoch,
            gather=deadlines.gather,
            absence=deadlines.absence,
        )
        child = ChildProcess(tasks=CHILD_TASKS, threads=1, crash_log=self._config.state / "child-crash.log")
        self._stack.push_async_callback(child.close)
        tools = Tools(
            store=store,
            fleet=fleet,
            blames=blames,
            leases=leases,
            sessions=sessions,
            child=child,
            study_key=key,
            host_id=host_id(),
        )
        return _Parts(tools, driver)

    async def _listen(
        self, authority: Authority, *, join: JoinService, agents: AgentService, control: ControlService
    ) -> None:
        certificate = ServerCertificate(authority, hosts=[self._config.address], clock=self._clock)
        listen = self._config.listen

        def add_join(server: grpc.aio.Server) -> None:
            join_pb2_grpc.add_JoinServiceServicer_to_server(join, server)

        def add_agents(server: grpc.aio.Server) -> None:
            agent_pb2_grpc.add_AgentServiceServicer_to_server(agents, server)
            control_pb2_grpc.add_ControlServiceServicer_to_server(control, server)

        self.ports = Ports(
            join=await self._serve(add_join, certificate, port=listen.join_port, mutual=False),
            agents=await self._serve(add_agents, certificate, port=listen.port, mutual=True),
        )

    async def _serve(
        self, add: Callable[[grpc.aio.Server], None], certificate: ServerCertificate, *, port: int, mutual: bool
    ) -> int:
        server = grpc.aio.server(
            options=autoglm_protos.tls.server_options(), interceptors=[autoglm_protos.errors.ErrorInterceptor()]
        )
        add(server)
        credentials = autoglm_protos.tls.server_credentials(certificate.current, mutual=mutual)
        try:
            bound = server.add_secure_port(f"{self._config.listen.host}:{port}", credentials)
        except RuntimeError as error:
            raise PortTaken(port=port) from error
        await server.start()
        self._stack.push_async_callback(server.stop, DRAIN.total_seconds())
        return bound


@dataclass(frozen=True)
class _Parts:
    tools: Tools
    driver: SessionDriver


async def serve(
    config: CoordinatorConfig,
    *,
    ready: Callable[[Ports], None],
    signals: Sequence[int] = (signal.SIGTERM, signal.SIGINT),
) -> None:
    """Run until one of `signals` comes; then drain."""
    stop = asyncio.Event()
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Coordinator(config) as coordinator:
        ready(coordinator.ports)
        await stop.wait()
        LOG.info("draining")
