"""The deployment's certificate authority: one self-signed ECDSA P-256 key that issues short certificates.

Certificates live for a day and are renewed at two thirds, so that a stolen one is soon worth nothing. P-256 because
gRPC's TLS library refuses Ed25519 certificates. Only servers get host names, and only they the server usage: no agent
can pose as the coordinator.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from autoglm_core.canonical import digest
from autoglm_core.errors import InvalidInput
from autoglm_core.identity import Identity, Role, check_name
from autoglm_protos.tls import UNREADABLE

LIFETIME = timedelta(hours=24)
CA_LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(minutes=5)
"""Certificates begin this much earlier, for peers whose clock is behind."""
MAX_CSR_BYTES = 4096

_KEY_FILE = "ca.key"
_CERTIFICATE_FILE = "ca.pem"


class BadRequest(InvalidInput):
    """A certificate signing request is damaged, or asks for another kind of key."""

    code = "bad-certificate-request"

    def __init__(self) -> None:
        super().__init__("the certificate request is no PKCS#10 over a P-256 key that signed it")


class NoAuthority(InvalidInput):
    """The state folder holds no certificate authority."""

    code = "no-authority"

    def __init__(self) -> None:
        super().__init__("this state folder holds no certificate authority: run `autoglm-coordinator init` first")


@dataclass(frozen=True)
class Issued:
    """A certificate and its authority, both PEM. `serial`: hexadecimal."""

    identity: Identity
    certificate: bytes
    ca: bytes
    serial: str
    issued: datetime
    expires: datetime


class Authority:
    """Issues certificates for one deployment."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.hash = digest(certificate.public_bytes(serialization.Encoding.DER))

    @classmethod
    def create(cls, deployment: str, *, now: datetime) -> Authority:
        """A new authority, self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, check_name(deployment))])
        builder = (
            _builder(key.public_key(), key.public_key(), now, now + CA_LIFETIME)
            .subject_name(name)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """What `save` wrote.

        Raises:
            NoAuthority: nothing there, or it cannot be read.
        """
        try:
            key = serialization.load_pem_private_key((folder / _KEY_FILE).read_bytes(), None)
            certificate = x509.load_pem_x509_certificate((folder / _CERTIFICATE_FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise NoAuthority() from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise NoAuthority()
        return cls(key, certificate)

    def save(self, folder: Path) -> None:
        """Write key (mode 0600) and certificate; raises FileExistsError rather than replace any."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_new(folder / _KEY_FILE, private, mode=0o600)
        write_new(folder / _CERTIFICATE_FILE, self.pem, mode=0o644)

    @property
    def deployment(self) -> str:
        """The deployment's name, which is the trust domain of every identity."""
        (name,) = self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(name.value)

    def issue(
        self,
        csr: bytes,
        identity: Identity,
        *,
        now: datetime,
        lifetime: timedelta = LIFETIME,
        hosts: Sequence[str] = (),
    ) -> Issued:
        """A certificate over the key of `csr` (PKCS#10, DER); all names in the request are ignored.

        `hosts`: DNS names and IP addresses, of a coordinator alone.

        Raises:
            BadRequest: damaged, not P-256, or not signed by its own key.
        """
        public_key = _requested_key(csr)
        server = identity.role is Role.COORDINATOR
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        names = [x509.UniformResourceIdentifier(str(identity)), *(_host(host) for host in hosts if server)]
        builder = (
            _builder(public_key, self._key.public_key(), now, now + lifetime)
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.id)]))
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(
            identity=identity,
            certificate=certificate.public_bytes(serialization.Encoding.PEM),
            ca=self.pem,
            serial=f"{certificate.serial_number:x}",
            issued=now,
            expires=certificate.not_valid_after_utc,
        )


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Create `path` with `mode` from the first moment, and have it on disk. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _builder(
    subject: ec.EllipticCurvePublicKey, issuer: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .public_key(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _requested_key(csr: bytes) -> ec.EllipticCurvePublicKey:
    if len(csr) > MAX_CSR_BYTES:
        raise BadRequest()
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
        valid = request.is_signature_valid
    except UNREADABLE as error:
        raise BadRequest() from error
    if not valid or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequest()
    return key
