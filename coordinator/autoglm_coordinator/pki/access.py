"""Who may do what: role, expiry and revocation, from the peer's certificate and from nothing that a message says.

gRPC checks a certificate once, at the handshake; a connection then outlives expiry and revocation. So this is asked
on every call and on every message of a stream. It costs two look-ups: certificates are parsed once, and revocations
are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable

from autoglm_core.clock import Clock
from autoglm_core.errors import AutoglmError, Denied, Kind
from autoglm_core.identity import Identity, Role
from autoglm_protos.tls import AuthContext, PeerRefused, peer_of, still_valid


class CertificateExpired(AutoglmError):
    """The peer's certificate ran out while its connection was open."""

    code = "certificate-expired"
    kind = Kind.UNAUTHENTICATED

    def __init__(self, *, identity: str) -> None:
        super().__init__(
            f"the certificate of {identity} has expired: connect again with a renewed one", identity=identity
        )


class IdentityRevoked(Denied):
    """The operator revoked this peer."""

    code = "identity-revoked"

    def __init__(self, *, identity: str) -> None:
        super().__init__(f"{identity} was revoked: ask the operator for a new token", identity=identity)


class WrongRole(Denied):
    """The peer's role may not call this."""

    code = "wrong-role"

    def __init__(self, *, role: str, required: str) -> None:
        super().__init__(f"only a certificate of role {required} may do this, not {role}", role=role, required=required)


class Access:
    """Decides for one deployment. `revoked`: SPIFFE ids, as the store had them at the start."""

    def __init__(self, deployment: str, *, revoked: Iterable[str], clock: Clock) -> None:
        self._deployment = deployment
        self._revoked = set(revoked)
        self._clock = clock

    def revoke(self, identity: Identity) -> None:
        """From now on. The caller has stored it already."""
        self._revoked.add(str(identity))

    def authorize(self, auth_context: AuthContext, role: Role) -> Identity:
        """The peer's identity.

        Raises:
            PeerRefused: not TLS 1.3, no usable certificate, or another deployment's.
            CertificateExpired: it ran out since the handshake.
            IdentityRevoked: the operator revoked it.
            WrongRole: it is not of `role`.
        """
        peer = peer_of(auth_context)
        identity = peer.identity
        if identity.deployment != self._deployment:
            raise PeerRefused(reason="its certificate is of another deployment")
        if not still_valid(peer, self._clock.now()):
            raise CertificateExpired(identity=str(identity))
        if str(identity) in self._revoked:
            raise IdentityRevoked(identity=str(identity))
        if identity.role is not role:
            raise WrongRole(role=str(identity.role), required=str(role))
        return identity
