"""Transport security of every connection: TLS 1.3 with ECDSA P-256, and who the peer is.

Both daemons and the command line build their credentials and channel options here, so that they cannot drift apart:
keepalive must agree on both ends (a server closes a connection whose pings come faster than it allows), and so must
message sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import grpc
import grpc.aio
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

import autoglm_protos
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.identity import BadIdentity, Identity

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""One message at most; everything larger travels in chunks."""
CHUNK_BYTES = 512 * 1024
"""A chunk of `Get` and `Put`."""
MOST_CALLS = 16
"""Calls of one connection at one time."""
KEEPALIVE_MS = 10_000
KEEPALIVE_TIMEOUT_MS = 10_000
_FASTEST_PING_MS = KEEPALIVE_MS // 2
UNREADABLE = (
    *(ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion, x509.ExtensionNotFound),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What reading hostile bytes as a certificate or a request for one can raise."""

Options = tuple[tuple[str, int | str], ...]
AuthContext = Mapping[str, Iterable[bytes]]

_COMMON: Options = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A chunk in one frame: the default cuts a vector of 4 MB into 16 KiB frames.
    ("grpc.http2.max_frame_size", 2 * CHUNK_BYTES),
)


class ImportedTooLate(AutoglmError):
    """grpc was loaded before this package could pin TLS 1.3."""

    code = "imported-too-late"
    kind = Kind.INTERNAL

    def __init__(self) -> None:
        super().__init__("grpc was imported before autoglm and would accept TLS 1.2: import autoglm first")


class PeerRefused(AutoglmError):
    """The peer's transport or certificate proves no identity of this deployment."""

    code = "peer-refused"
    kind = Kind.UNAUTHENTICATED

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"peer refused: {reason}", reason=reason)


@dataclass(frozen=True)
class Credentials:
    """A private key, its certificate and the authority above it, all PEM."""

    private_key: bytes = field(repr=False)
    certificate: bytes
    ca: bytes

    @property
    def expires(self) -> datetime:
        """When the certificate ends."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc

    @property
    def renew_at(self) -> datetime:
        """Two thirds of the certificate's life."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return begin + (end - begin) * 2 / 3


@dataclass(frozen=True)
class Peer:
    """Whom the TLS handshake proved: identity, certificate serial (hexadecimal) and expiry."""

    identity: Identity
    serial: str
    expires: datetime


def channel_options(*, proxy: str | None = None) -> Options:
    """Options of a dialling side. `proxy`: `http://host:port`; the environment's proxy variables are not read."""
    window = ("grpc.http2.lookahead_bytes", MAX_MESSAGE_BYTES)
    if proxy is None:
        return (*_COMMON, window, ("grpc.enable_http_proxy", 0))
    return (*_COMMON, window, ("grpc.http_proxy", proxy))


def server_options() -> Options:
    """Options of a listening side."""
    return (
        *_COMMON,
        # Every connection keeps a read buffer of about half its window. Windows that grow with the network's delay cost
        # a coordinator of a hundred agents as much memory as two vectors of 1e7 parameters.
        ("grpc.http2.lookahead_bytes", 2 * CHUNK_BYTES),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", _FASTEST_PING_MS),
        # Further calls of a connection wait at its own end: each may hold a message of `MAX_MESSAGE_BYTES` here.
        ("grpc.max_concurrent_streams", MOST_CALLS),
        # Two servers on one port would share its connections without a word.
        ("grpc.so_reuseport", 0),
    )


def open_channel(address: str, credentials: Credentials, *, proxy: str | None = None) -> grpc.aio.Channel:
    """A mutual-TLS channel to `host:port`, whose certificate must name that host."""
    _require_tls13()
    transport = grpc.ssl_channel_credentials(credentials.ca, credentials.private_key, credentials.certificate)
    return grpc.aio.secure_channel(address, transport, options=channel_options(proxy=proxy))


def open_join_channel(address: str, roots: bytes, *, proxy: str | None = None) -> grpc.aio.Channel:
    """A channel to the join port that trusts `roots` (PEM) and shows no certificate."""
    _require_tls13()
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots), options=channel_options(proxy=proxy))


def server_credentials(current: Callable[[], Credentials], *, mutual: bool) -> grpc.ServerCredentials:
    """Credentials of a port. `current` is asked at every handshake, so that a renewed certificate needs no restart.

    gRPC is told of a change only: each configuration that it is given replaces the one that other handshakes are using
    at that moment, and in grpcio 1.85 a hundred handshakes at once, by anybody, then end the process (measured).
    """
    _require_tls13()
    shown = current()

    def configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
        pair = (credentials.private_key, credentials.certificate)
        return grpc.ssl_server_certificate_configuration([pair], credentials.ca if mutual else None)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        before, shown = shown, current()
        return None if shown == before else configuration(shown)

    # None says "as before", which the stubs do not know.
    return grpc.dynamic_ssl_server_credentials(configuration(shown), changed, mutual)  # type: ignore[arg-type]


def require_tls13(auth_context: AuthContext) -> None:
    """Raise `PeerRefused` unless the call came over TLS 1.3; asked on every call, whatever the cipher list says."""
    if list(auth_context.get("ssl_tls_version", ())) != [b"TLSv1.3"]:
        raise PeerRefused(reason="only TLS 1.3 is spoken here")


def peer_of(auth_context: AuthContext) -> Peer:
    """Who the peer is, from its certificate alone.

    Raises:
        PeerRefused: not TLS 1.3, no certificate, or one without exactly one identity of the agreed form.
    """
    require_tls13(auth_context)
    certificates = list(auth_context.get("x509_pem_cert", ()))
    if len(certificates) != 1:
        raise PeerRefused(reason="it showed no certificate")
    return _peer(certificates[0])


@lru_cache(maxsize=1024)
def _peer(pem: bytes) -> Peer:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        identity = certificate_identity(certificate)
        return Peer(identity, f"{certificate.serial_number:x}", certificate.not_valid_after_utc)
    except UNREADABLE as error:
        raise PeerRefused(reason="its certificate cannot be read") from error


def certificate_identity(certificate: x509.Certificate) -> Identity:
    """The one SPIFFE id of `certificate`.

    Raises:
        PeerRefused: none, several, or another form.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        return Identity.parse(uri)
    except (*UNREADABLE, BadIdentity) as error:
        raise PeerRefused(reason="its certificate names no identity") from error


def still_valid(peer: Peer, now: datetime) -> bool:
    """Whether the peer's certificate has not run out. `now`: with a time zone."""
    return now.astimezone(UTC) < peer.expires


def _require_tls13() -> None:
    if not autoglm_protos.IMPORTED_FIRST:
        raise ImportedTooLate()
