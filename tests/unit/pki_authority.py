"""What the authority certifies, and what it refuses to."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from autoglm_coordinator.pki.authority import CLOCK_SKEW, Authority, BadRequest, NoAuthority
from autoglm_coordinator.pki.server_certificate import ServerCertificate
from autoglm_core.canonical import digest
from autoglm_core.identity import Identity, Role
from autoglm_protos.enroll import new_request
from autoglm_protos.tls import PeerRefused, certificate_identity
from support.manual_clock import START, ManualClock

AGENT = Identity("north", Role.AGENT, "st-mary-1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("north", now=START)


def issue(authority: Authority, identity: Identity, *, hosts: Sequence[str] = ()) -> x509.Certificate:
    issued = authority.issue(new_request().csr, identity, now=START, hosts=hosts)
    return x509.load_pem_x509_certificate(issued.certificate)


def test_a_certificate_names_one_identity_for_a_day(authority: Authority) -> None:
    certificate = issue(authority, AGENT)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem))
    assert certificate_identity(certificate) == AGENT
    assert certificate.not_valid_before_utc == START - CLOCK_SKEW
    assert certificate.not_valid_after_utc == START + timedelta(hours=24)


def test_only_a_coordinator_gets_host_names_and_the_server_usage(authority: Authority) -> None:
    agent = issue(authority, AGENT, hosts=("tune.example.org",))
    server = issue(authority, Identity("north", Role.COORDINATOR, "c"), hosts=("tune.example.org", "10.0.0.1", "::1"))
    for certificate, usage, hosts in (
        (agent, ExtendedKeyUsageOID.CLIENT_AUTH, []),
        (server, ExtendedKeyUsageOID.SERVER_AUTH, ["tune.example.org"]),
    ):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        assert names.get_values_for_type(x509.DNSName) == hosts
        assert len(names.get_values_for_type(x509.IPAddress)) == 2 * len(hosts)
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_names_in_the_request_are_ignored(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wish = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://north/operator/root")])
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")]))
        .add_extension(wish, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    issued = authority.issue(csr.public_bytes(serialization.Encoding.DER), AGENT, now=START)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    assert certificate_identity(certificate) == AGENT
    assert certificate.public_key() == key.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def request_over(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_damaged_or_foreign_request_is_refused(authority: Authority) -> None:
    good = new_request().csr
    bad = {
        "empty": b"",
        "cut": good[:-1],
        "signature": good[:-1] + bytes([good[-1] ^ 1]),
        "long": good + bytes(5000),
        "rsa": request_over(rsa.generate_private_key(65537, 2048)),
        "p-384": request_over(ec.generate_private_key(ec.SECP384R1())),
    }
    for csr in bad.values():
        with pytest.raises(BadRequest):
            authority.issue(csr, AGENT, now=START)


def test_an_authority_is_kept_privately_and_never_replaced(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    authority.save(folder)
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    loaded = Authority.load(folder)
    assert (loaded.pem, loaded.hash, loaded.deployment) == (authority.pem, authority.hash, "north")
    der = x509.load_pem_x509_certificate(authority.pem).public_bytes(serialization.Encoding.DER)
    assert loaded.hash == digest(der)
    with pytest.raises(FileExistsError):
        Authority.create("north", now=START).save(folder)
    assert Authority.load(folder).hash == authority.hash


def test_half_an_authority_is_none(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(NoAuthority):
        Authority.load(tmp_path)
    authority.save(tmp_path)
    (tmp_path / "ca.pem").write_bytes(Authority.create("north", now=START).pem)
    with pytest.raises(NoAuthority):
        Authority.load(tmp_path)


def test_the_servers_certificate_is_replaced_at_two_thirds_of_its_life(authority: Authority) -> None:
    clock = ManualClock()
    certificate = ServerCertificate(authority, hosts=["localhost"], clock=clock)
    first = certificate.current()
    clock.advance(timedelta(hours=15))
    assert certificate.current() == first
    clock.advance(timedelta(hours=2))
    second = certificate.current()
    assert second.private_key != first.private_key and second.expires > first.expires


def test_a_certificate_without_exactly_one_identity_names_nobody(authority: Authority) -> None:
    with pytest.raises(PeerRefused):
        certificate_identity(x509.load_pem_x509_certificate(authority.pem))
