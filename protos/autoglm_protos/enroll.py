"""How a newcomer gets its certificate: the dialling side of join, login, renewal and coming back.

The token names the authority by hash, so the first connection needs no trust: its certificate is taken as shown, the
authority is asked for over it, and only when that authority has the token's hash and did issue the certificate does
the newcomer dial again, now with full verification, and send the secret. A man in the middle sees at most a request
for a public certificate.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from autoglm_core.canonical import digest
from autoglm_core.errors import AutoglmError, InvalidInput, Kind
from autoglm_core.identity import JOIN_MESSAGE, REENROLL_MESSAGE, JoinToken
from autoglm_core.privacy.keys import SiteKey
from autoglm_protos.errors import Unreachable, translate
from autoglm_protos.tls import UNREADABLE, Credentials, open_join_channel
from autoglm_protos.v1 import agent_pb2, agent_pb2_grpc, join_pb2, join_pb2_grpc

PROTOCOL = 1
"""Version of the wire protocol that this program speaks."""
ANSWER_WITHIN = timedelta(seconds=20)
LARGEST_CERTIFICATE = 16 * 1024

Reply = TypeVar("Reply")


class WrongAuthority(AutoglmError):
    """The coordinator that answered is not the one that the token was issued by."""

    code = "wrong-authority"
    kind = Kind.UNAUTHENTICATED

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"do not trust this coordinator: {reason}; ask its operator for a new token", reason=reason)


class BadProxy(InvalidInput):
    """The proxy is not of the form `http://host:port`."""

    code = "bad-proxy"

    def __init__(self) -> None:
        super().__init__("a proxy is written http://host:port")


@dataclass(frozen=True)
class Enrolled:
    """What a newcomer keeps. `address`: the mutual-TLS port; `join_address`: where to come back to after an expiry."""

    id: str
    credentials: Credentials
    address: str
    join_address: str


@dataclass(frozen=True)
class Request:
    """A fresh P-256 key (PEM) and the request (PKCS#10, DER) for a certificate over it."""

    private_key: bytes
    csr: bytes


def new_request() -> Request:
    """A new key with its request; the request names nobody, for the authority decides who this is."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Request(private, csr.public_bytes(serialization.Encoding.DER))


async def join(token: JoinToken, *, name: str, site_key: SiteKey | None, proxy: str | None = None) -> Enrolled:
    """Enrol an agent. `site_key`: None for a device without data.

    Raises:
        WrongAuthority: somebody else answered.
        Unreachable: nobody answered.
        RemoteError: refused, for example `token-used`, `token-expired`, `name-taken`.
    """
    ca = await fetch_authority(token, proxy=proxy)
    request = new_request()
    message = join_pb2.JoinRequest(protocol=PROTOCOL, name=name, secret=token.secret, csr=request.csr)
    if site_key is not None:
        message.site_key = site_key.public.raw
        message.proof = site_key.sign(JOIN_MESSAGE, request.csr)
    async with open_join_channel(token.address, ca, proxy=proxy) as channel:
        reply = await _answer(join_pb2_grpc.JoinServiceStub(channel).Join(message, timeout=_seconds()))
    return Enrolled(reply.agent_id, _accepted(request, reply.certificate, ca), reply.address, token.address)


async def login(token: JoinToken, *, proxy: str | None = None) -> Enrolled:
    """Get an operator's certificate. Raises as `join`."""
    ca = await fetch_authority(token, proxy=proxy)
    request = new_request()
    message = join_pb2.LoginRequest(secret=token.secret, csr=request.csr)
    async with open_join_channel(token.address, ca, proxy=proxy) as channel:
        reply = await _answer(join_pb2_grpc.JoinServiceStub(channel).Login(message, timeout=_seconds()))
    return Enrolled(reply.operator_id, _accepted(request, reply.certificate, ca), reply.address, token.address)


async def reenroll(
    join_address: str, ca: bytes, *, agent_id: str, site_key: SiteKey, proxy: str | None = None
) -> Enrolled:
    """Come back after the certificate ran out, proved by the site key. `ca`: PEM, as kept from joining.

    Raises:
        Unreachable: nobody answered, or not with a certificate of `ca`.
        RemoteError: refused, for example `unknown-agent`, `reenrolment-refused`.
    """
    request = new_request()
    async with open_join_channel(join_address, ca, proxy=proxy) as channel:
        stub = join_pb2_grpc.JoinServiceStub(channel)
        challenge = await _answer(stub.Challenge(join_pb2.ChallengeRequest(agent_id=agent_id), timeout=_seconds()))
        proof = site_key.sign(REENROLL_MESSAGE, challenge.nonce + request.csr)
        message = join_pb2.ReenrollRequest(agent_id=agent_id, nonce=challenge.nonce, csr=request.csr, signature=proof)
        reply = await _answer(stub.Reenroll(message, timeout=_seconds()))
    return Enrolled(reply.agent_id, _accepted(request, reply.certificate, ca), reply.address, join_address)


async def renew(channel: grpc.aio.Channel, ca: bytes) -> Credentials:
    """A new certificate for the identity that `channel` proves. Raises as `reenroll`."""
    request = new_request()
    call = agent_pb2_grpc.AgentServiceStub(channel).Renew(agent_pb2.RenewRequest(csr=request.csr), timeout=_seconds())
    return _accepted(request, (await _answer(call)).certificate, ca)


async def fetch_authority(token: JoinToken, *, proxy: str | None = None) -> bytes:
    """The certificate (PEM) of the authority that `token` names.

    Raises:
        WrongAuthority: the hash differs, or the coordinator's certificate is not from that authority.
        Unreachable: nobody answered.
    """
    shown = await _shown_certificate(token.address, proxy)
    pem = shown.public_bytes(serialization.Encoding.PEM)
    async with open_join_channel(token.address, pem, proxy=proxy) as channel:
        stub = join_pb2_grpc.JoinServiceStub(channel)
        reply = await _answer(stub.GetAuthority(join_pb2.GetAuthorityRequest(), timeout=_seconds()))
    authority = _certificate(reply.ca)
    if digest(authority.public_bytes(serialization.Encoding.DER)) != token.authority:
        raise WrongAuthority(reason="its authority is not the one in the token")
    _check_issued(shown, authority)
    return authority.public_bytes(serialization.Encoding.PEM)


async def _answer(call: Awaitable[Reply]) -> Reply:
    try:
        return await call
    except grpc.aio.AioRpcError as failure:
        raise translate(failure) from failure


def _seconds() -> float:
    return ANSWER_WITHIN.total_seconds()


def _accepted(request: Request, certificate: bytes, ca: bytes) -> Credentials:
    """The credentials of a reply, once its certificate is over our key and from `ca`."""
    issued = _certificate(certificate)
    key = serialization.load_pem_private_key(request.private_key, None)
    try:
        same = issued.public_key() == key.public_key()
    except UNREADABLE as error:
        raise WrongAuthority(reason="it certified no key that can be read") from error
    if not same:
        raise WrongAuthority(reason="it certified another key than ours")
    _check_issued(issued, _certificate(ca))
    return Credentials(request.private_key, certificate, ca)


def _certificate(pem: bytes) -> x509.Certificate:
    if len(pem) > LARGEST_CERTIFICATE:
        raise WrongAuthority(reason="it sent no certificate")
    try:
        return x509.load_pem_x509_certificate(pem)
    except UNREADABLE as error:
        raise WrongAuthority(reason="it sent no certificate") from error


def _check_issued(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except UNREADABLE as error:
        raise WrongAuthority(reason="its certificate is not from the authority in the token") from error


async def _shown_certificate(address: str, proxy: str | None) -> x509.Certificate:
    """The certificate that `address` shows, unverified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    host, port = _host_and_port(address)
    try:
        async with asyncio.timeout(_seconds()):
            _, writer = await _connect(host, port, proxy)
            try:
                await writer.start_tls(context, server_hostname=host)
                shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Unreachable(reason=type(error).__name__) from error
    try:
        return x509.load_der_x509_certificate(shown)
    except UNREADABLE as error:
        raise WrongAuthority(reason="it showed no certificate") from error


async def _connect(host: str, port: int, proxy: str | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if proxy is None:
        return await asyncio.open_connection(host, port)
    parts = urlsplit(proxy)
    if parts.scheme != "http" or parts.hostname is None:
        raise BadProxy()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        writer.transport.abort()
        raise Unreachable(reason="the proxy refused to connect")
    return reader, writer


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
