"""Who becomes a member: tokens turn into certificates, and members keep theirs fresh.

The answering side of `autoglm_protos.enroll`. It speaks plain values, so that the join service only decodes and
encodes.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoglm_coordinator.pki.access import Access
from autoglm_coordinator.pki.authority import Authority, Issued
from autoglm_coordinator.pki.tokens import new_token, secret_hash
from autoglm_coordinator.store.api import AgentRecord, CertificateRecord, EnrolmentStore, TokenRecord
from autoglm_coordinator.store.errors import UnknownAgent
from autoglm_core.clock import Clock
from autoglm_core.errors import Denied
from autoglm_core.identity import JOIN_MESSAGE, REENROLL_MESSAGE, Identity, JoinToken, Role, check_name
from autoglm_core.privacy.errors import BadSignature
from autoglm_core.privacy.keys import SitePublicKey

TOKEN_LIFETIME = timedelta(hours=1)
NONCE_LIFETIME = timedelta(minutes=1)
MAX_NONCES = 1024
"""Open challenges at most; the oldest goes first, so that a flood costs no memory."""
_NONCE_BYTES = 32


class WrongTokenRole(Denied):
    """A token was used for the other kind of member."""

    code = "wrong-token-role"

    def __init__(self, *, role: str) -> None:
        command = "autoglm login" if role == Role.OPERATOR else "autoglm-agent join"
        super().__init__(f"this token is for `{command}`", role=role)


class NameNotInvited(Denied):
    """A token was issued for another name."""

    code = "name-not-invited"

    def __init__(self, *, invited: str) -> None:
        super().__init__(f"this token is for {invited}: set that name, or ask for a token with yours", invited=invited)


class ReenrolmentRefused(Denied):
    """The peer did not prove that it is the agent it names. Why is not told: a stranger must learn nothing."""

    code = "reenrolment-refused"

    def __init__(self) -> None:
        super().__init__("this agent cannot come back by its site key: join again with a new token")


@dataclass(frozen=True)
class _Challenge:
    agent_id: str
    until: datetime


class Enrolment:
    """Joins, logins, renewals and revocations of one deployment."""

    def __init__(self, *, authority: Authority, store: EnrolmentStore, access: Access, clock: Clock) -> None:
        self._authority = authority
        self._store = store
        self._access = access
        self._clock = clock
        self._challenges: OrderedDict[bytes, _Challenge] = OrderedDict()

    async def create_token(
        self, name: str, role: Role, *, join_address: str, valid: timedelta = TOKEN_LIFETIME
    ) -> JoinToken:
        """A token good for one use within `valid`. Raises `BadIdentity` where `name` cannot stand in an identity."""
        token = new_token(join_address, self._authority.hash)
        expires = self._clock.now() + valid
        await self._store.add_token(TokenRecord(secret_hash(token.secret), check_name(name), role, expires))
        return token

    async def join(self, secret: bytes, csr: bytes, *, name: str, site_key: bytes, proof: bytes) -> Issued:
        """Enrol an agent. `name`: empty, or as invited. `site_key`: with its `proof`; empty for a device without data.

        Raises:
            UnknownToken, TokenUsed, TokenExpired, WrongTokenRole, NameNotInvited: the token stays as it was.
            NameTaken: an agent of that name is enrolled.
            BadSignature: the site key did not sign the request.
            BadRequest: no usable certificate request.
        """
        token = await self._token(secret, Role.AGENT)
        if name not in ("", token.name):
            raise NameNotInvited(invited=token.name)
        if site_key:
            SitePublicKey(site_key).verify(JOIN_MESSAGE, csr, proof)
        issued = self._issue(csr, Role.AGENT, _new_id(token.name))
        agent = AgentRecord(issued.identity.id, token.name, site_key, joined=issued.issued)
        await self._store.enrol(token.hash, _record(issued), agent=agent, now=issued.issued)
        return issued

    async def login(self, secret: bytes, csr: bytes) -> Issued:
        """Give an operator its certificate. Raises as `join`."""
        token = await self._token(secret, Role.OPERATOR)
        issued = self._issue(csr, Role.OPERATOR, _new_id(token.name))
        await self._store.enrol(token.hash, _record(issued), agent=None, now=issued.issued)
        return issued

    def challenge(self, agent_id: str) -> bytes:
        """A nonce for `reenrol`. Whether such an agent exists is not told; raises `BadIdentity` for what is no id."""
        check_name(agent_id)  # whoever asks is a stranger yet: what is kept for him is short
        nonce = secrets.token_bytes(_NONCE_BYTES)
        self._challenges[nonce] = _Challenge(agent_id, self._clock.now() + NONCE_LIFETIME)
        while len(self._challenges) > MAX_NONCES:
            self._challenges.popitem(last=False)
        return nonce

    async def reenrol(self, agent_id: str, csr: bytes, *, nonce: bytes, signature: bytes) -> Issued:
        """A new certificate for an agent whose old one ran out, proved by its site key over a nonce used once.

        Raises:
            ReenrolmentRefused: unknown, revoked, without a site key, or not proved.
        """
        challenge = self._challenges.pop(nonce, None)
        if challenge is None or challenge.agent_id != agent_id or challenge.until <= self._clock.now():
            raise ReenrolmentRefused()
        try:
            agent = await self._store.get_agent(agent_id)
        except UnknownAgent as error:
            raise ReenrolmentRefused() from error
        if agent.revoked is not None or not agent.site_key:
            raise ReenrolmentRefused()
        try:
            SitePublicKey(agent.site_key).verify(REENROLL_MESSAGE, nonce + csr, signature)
        except BadSignature as error:
            raise ReenrolmentRefused() from error
        return await self._certify(csr, Identity(self._authority.deployment, Role.AGENT, agent_id))

    async def renew(self, identity: Identity, csr: bytes) -> Issued:
        """A new certificate for an identity that the caller has just authorised. Raises `BadRequest`."""
        return await self._certify(csr, identity)

    async def revoke(self, agent_id: str) -> Identity:
        """Shut an agent out for good; the caller closes its stream. Raises `UnknownAgent`."""
        identity = Identity(self._authority.deployment, Role.AGENT, agent_id)
        await self._store.revoke_agent(agent_id, str(identity), self._clock.now())
        self._access.revoke(identity)
        return identity

    async def _token(self, secret: bytes, role: Role) -> TokenRecord:
        token = await self._store.find_token(secret_hash(secret), self._clock.now())
        if token.role is not role:
            raise WrongTokenRole(role=str(token.role))
        return token

    async def _certify(self, csr: bytes, identity: Identity) -> Issued:
        issued = self._authority.issue(csr, identity, now=self._clock.now())
        await self._store.put_certificate(_record(issued))
        return issued

    def _issue(self, csr: bytes, role: Role, id: str) -> Issued:
        return self._authority.issue(csr, Identity(self._authority.deployment, role, id), now=self._clock.now())


def _new_id(name: str) -> str:
    # A name may come back after a revocation; an id never does.
    return f"{name[:56]}-{secrets.token_hex(3)}"


def _record(issued: Issued) -> CertificateRecord:
    return CertificateRecord(issued.serial, str(issued.identity), issued.issued, issued.expires)
