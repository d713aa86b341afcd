"""Joining, logging in, renewing and coming back, over real ports; and everything that must not work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from autoglm_coordinator.pki.access import Access
from autoglm_coordinator.pki.authority import Authority
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.service.join import Addresses, JoinService
from autoglm_coordinator.store.api import Store
from autoglm_coordinator.store.sql import open_store
from autoglm_core.errors import AutoglmError, RemoteError
from autoglm_core.identity import BadIdentity, JoinToken, Role
from autoglm_core.privacy.keys import SiteKey
from autoglm_protos import enroll
from autoglm_protos.host import SystemClock
from autoglm_protos.tls import Credentials, open_channel
from autoglm_protos.v1 import agent_pb2, join_pb2_grpc
from support.loopback import proxy, server, server_certificate
from support.manual_clock import ManualClock


@dataclass
class Site:
    """A coordinator's enrolment on two real ports."""

    authority: Authority
    store: Store
    access: Access
    enrolment: Enrolment
    clock: ManualClock
    addresses: Addresses

    async def token(self, name: str = "st-mary", role: Role = Role.AGENT) -> JoinToken:
        return await self.enrolment.create_token(name, role, join_address=self.addresses.join)


def renewal(enrolment: Enrolment, access: Access) -> grpc.GenericRpcHandler[Any, Any]:
    """The one method of the agents' service that enrolment is about."""

    async def renew(request: agent_pb2.RenewRequest, context: Any) -> agent_pb2.RenewReply:
        identity = access.authorize(context.auth_context(), Role.AGENT)
        issued = await enrolment.renew(identity, request.csr)
        return agent_pb2.RenewReply(certificate=issued.certificate, ca=issued.ca)

    handler = grpc.unary_unary_rpc_method_handler(
        renew, agent_pb2.RenewRequest.FromString, agent_pb2.RenewReply.SerializeToString
    )
    return grpc.method_handlers_generic_handler("autoglm.v1.AgentService", {"Renew": handler})


@asynccontextmanager
async def running(folder: Path, deployment: str = "north") -> AsyncIterator[Site]:
    clock = ManualClock(SystemClock().now())
    authority = Authority.create(deployment, now=clock.now())
    store: Store = open_store(folder / deployment)
    access = Access(deployment, revoked=(), clock=clock)
    enrolment = Enrolment(authority=authority, store=store, access=access, clock=clock)
    certificate = server_certificate(authority, clock)

    def add_agents(grpc_server: grpc.aio.Server) -> None:
        grpc_server.add_generic_rpc_handlers((renewal(enrolment, access),))

    def add_join(grpc_server: grpc.aio.Server) -> None:
        join_pb2_grpc.add_JoinServiceServicer_to_server(join, grpc_server)

    try:
        async with server(add_agents, certificate, mutual=True) as agents:
            join = JoinService(enrolment=enrolment, ca=authority.pem, addresses=Addresses("", agents))
            async with server(add_join, certificate, mutual=False) as address:
                yield Site(authority, store, access, enrolment, clock, Addresses(address, agents))
    finally:
        await store.close()


def on_site(folder: Path, story: Callable[[Site], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with running(folder) as site:
            await story(site)

    asyncio.run(whole())


async def refused(call: Awaitable[object], code: str) -> None:
    with pytest.raises(AutoglmError) as caught:
        await call
    error = caught.value
    assert (error.remote_code if isinstance(error, RemoteError) else error.code) == code


async def renewed(site: Site, credentials: Credentials) -> Credentials:
    async with open_channel(site.addresses.agents, credentials) as channel:
        return await enroll.renew(channel, credentials.ca)


def test_a_site_joins_and_renews_its_certificate(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        key = SiteKey.generate()
        joined = await enroll.join(await site.token(), name="st-mary", site_key=key)
        assert joined.address == site.addresses.agents and joined.join_address == site.addresses.join
        record = await site.store.get_agent(joined.id)
        assert (record.name, record.site_key) == ("st-mary", key.public.raw)
        fresh = await renewed(site, joined.credentials)
        assert (
            fresh.certificate != joined.credentials.certificate and fresh.private_key != joined.credentials.private_key
        )
        assert await renewed(site, fresh)
        assert len(await site.store.certificates(f"spiffe://north/agent/{joined.id}")) == 3

    on_site(tmp_path, story)


def test_a_device_joins_without_a_site_key_and_an_operator_logs_in(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        device = await enroll.join(await site.token("pi-5"), name="", site_key=None)
        assert (await site.store.get_agent(device.id)).site_key == b""
        operator = await enroll.login(await site.token("ann", Role.OPERATOR))
        assert operator.id.startswith("ann-")
        await refused(renewed(site, operator.credentials), "wrong-role")

    on_site(tmp_path, story)


def test_a_token_does_what_it_was_made_for_once_and_in_time(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        key = SiteKey.generate()
        token = await site.token()
        await refused(enroll.login(token), "wrong-token-role")
        await refused(enroll.join(token, name="va", site_key=key), "name-not-invited")
        await refused(enroll.join(replace(token, secret=bytes(16)), name="", site_key=key), "unknown-token")
        assert await enroll.join(token, name="st-mary", site_key=key)
        await refused(enroll.join(token, name="st-mary", site_key=key), "token-used")
        await refused(enroll.join(await site.token(), name="st-mary", site_key=key), "name-taken")
        late = await site.token("va")
        site.clock.advance(timedelta(hours=1))
        await refused(enroll.join(late, name="va", site_key=key), "token-expired")

    on_site(tmp_path, story)


def test_a_site_key_must_have_signed_the_request(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        token, request = await site.token(), enroll.new_request()
        stranger, claimed = SiteKey.generate(), SiteKey.generate()
        proof = stranger.sign("join", request.csr)
        call = site.enrolment.join(token.secret, request.csr, name="", site_key=claimed.public.raw, proof=proof)
        await refused(call, "bad-signature")
        assert await enroll.join(token, name="", site_key=claimed)

    on_site(tmp_path, story)


def test_a_coordinator_in_the_middle_never_sees_the_secret(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        async with running(tmp_path, "south") as middle:
            token = await site.token()
            misled = replace(token, address=middle.addresses.join)
            await refused(enroll.join(misled, name="", site_key=None), "wrong-authority")
            await refused(enroll.login(misled), "wrong-authority")
        assert await enroll.join(token, name="", site_key=None)

    on_site(tmp_path, story)


def test_who_shows_the_right_authority_with_another_certificate_is_found_out(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        other = server_certificate(Authority.create("south", now=site.clock.now()), site.clock)
        join = JoinService(enrolment=site.enrolment, ca=site.authority.pem, addresses=site.addresses)

        def add(running_server: grpc.aio.Server) -> None:
            join_pb2_grpc.add_JoinServiceServicer_to_server(join, running_server)

        async with server(add, other, mutual=False) as address:
            misled = replace(await site.token(), address=address)
            await refused(enroll.join(misled, name="", site_key=None), "wrong-authority")

    on_site(tmp_path, story)


def test_an_agent_comes_back_by_its_site_key_unless_it_was_revoked(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        key = SiteKey.generate()
        joined = await enroll.join(await site.token(), name="", site_key=key)
        ca = joined.credentials.ca

        async def come_back(agent_id: str, site_key: SiteKey) -> enroll.Enrolled:
            return await enroll.reenroll(site.addresses.join, ca, agent_id=agent_id, site_key=site_key)

        back = await come_back(joined.id, key)
        assert back.id == joined.id and await renewed(site, back.credentials)
        await refused(come_back(joined.id, SiteKey.generate()), "reenrolment-refused")
        await refused(come_back("nobody-1", key), "reenrolment-refused")
        device = await enroll.join(await site.token("pi-5"), name="", site_key=None)
        await refused(come_back(device.id, key), "reenrolment-refused")
        await site.enrolment.revoke(joined.id)
        await refused(come_back(joined.id, key), "reenrolment-refused")
        await refused(renewed(site, back.credentials), "identity-revoked")

    on_site(tmp_path, story)


def test_a_nonce_is_good_once_for_one_agent_and_one_minute(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        key = SiteKey.generate()
        joined = await enroll.join(await site.token(), name="", site_key=key)
        request = enroll.new_request()

        async def answer(nonce: bytes) -> object:
            signature = key.sign("reenroll", nonce + request.csr)
            return await site.enrolment.reenrol(joined.id, request.csr, nonce=nonce, signature=signature)

        nonce = site.enrolment.challenge(joined.id)
        assert await answer(nonce)
        await refused(answer(nonce), "reenrolment-refused")
        await refused(answer(site.enrolment.challenge("va-1")), "reenrolment-refused")
        late = site.enrolment.challenge(joined.id)
        site.clock.advance(timedelta(minutes=1))
        await refused(answer(late), "reenrolment-refused")
        flooded = site.enrolment.challenge(joined.id)
        for _ in range(2000):
            site.enrolment.challenge("nobody")
        await refused(answer(flooded), "reenrolment-refused")
        with pytest.raises(BadIdentity):  # a stranger's id is kept with the nonce: it must be short
            site.enrolment.challenge("a" * 1000)

    on_site(tmp_path, story)


def test_joining_through_a_proxy(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        async with proxy() as (url, asked):
            joined = await enroll.join(await site.token(), name="", site_key=SiteKey.generate(), proxy=url)
            async with open_channel(joined.address, joined.credentials, proxy=url) as channel:
                assert await enroll.renew(channel, joined.credentials.ca)
            assert set(asked) == {site.addresses.join, site.addresses.agents}
        async with proxy(refuse=True) as (url, _):
            await refused(enroll.join(await site.token("va"), name="", site_key=None, proxy=url), "unreachable")
        await refused(enroll.join(await site.token("vb"), name="", site_key=None, proxy="socks://x"), "bad-proxy")

    on_site(tmp_path, story)


def test_nobody_at_the_address_is_told_as_such(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        nobody = replace(await site.token(), address="127.0.0.1:1")
        await refused(enroll.join(nobody, name="", site_key=None), "unreachable")

    on_site(tmp_path, story)
