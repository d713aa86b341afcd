"""Who may do what, decided from the TLS handshake's facts alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autoglm_coordinator.pki.access import Access, CertificateExpired, IdentityRevoked, WrongRole
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.identity import Identity, Role
from autoglm_protos.tls import AuthContext, PeerRefused
from support.loopback import member
from support.manual_clock import START, ManualClock

AGENT = Identity("north", Role.AGENT, "st-mary-1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("north", now=START)


def handshake(authority: Authority, *, role: Role = Role.AGENT, version: bytes = b"TLSv1.3") -> AuthContext:
    certificate = member(authority, ManualClock(), role=role).certificate
    return {"ssl_tls_version": [version], "x509_pem_cert": [certificate]}


def test_a_member_is_let_in_by_its_role(authority: Authority) -> None:
    access = Access("north", revoked=(), clock=ManualClock())
    assert access.authorize(handshake(authority), Role.AGENT) == AGENT
    with pytest.raises(WrongRole):
        access.authorize(handshake(authority), Role.OPERATOR)
    with pytest.raises(WrongRole):
        access.authorize(handshake(authority, role=Role.OPERATOR), Role.AGENT)


def test_expiry_and_revocation_count_while_the_connection_is_open(authority: Authority) -> None:
    clock = ManualClock()
    access, peer = Access("north", revoked=(), clock=clock), handshake(authority)
    clock.advance(timedelta(hours=23, minutes=59))
    assert access.authorize(peer, Role.AGENT) == AGENT
    clock.advance(timedelta(minutes=1))
    with pytest.raises(CertificateExpired):
        access.authorize(peer, Role.AGENT)
    fresh = Access("north", revoked=(), clock=ManualClock())
    fresh.revoke(AGENT)
    with pytest.raises(IdentityRevoked):
        fresh.authorize(peer, Role.AGENT)
    with pytest.raises(IdentityRevoked):
        Access("north", revoked={str(AGENT)}, clock=ManualClock()).authorize(peer, Role.AGENT)


def test_whoever_proves_nothing_is_nobody(authority: Authority) -> None:
    access = Access("north", revoked=(), clock=ManualClock())
    good = handshake(authority)
    nobodies: list[AuthContext] = [
        {},
        {"ssl_tls_version": [b"TLSv1.3"]},
        {**good, "ssl_tls_version": []},
        {**good, "x509_pem_cert": [b"junk"]},
        {**good, "x509_pem_cert": [authority.pem]},
        handshake(authority, version=b"TLSv1.2"),
        handshake(Authority.create("south", now=START)),
    ]
    for nobody in nobodies:
        with pytest.raises(PeerRefused):
            access.authorize(nobody, Role.AGENT)
