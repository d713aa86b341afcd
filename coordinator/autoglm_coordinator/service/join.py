"""The join port: server TLS only, because whoever comes here has no certificate yet."""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_coordinator.pki.authority import Issued
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.service.agents import NewerProtocol
from autoglm_coordinator.service.gate import Context
from autoglm_protos.enroll import PROTOCOL
from autoglm_protos.tls import require_tls13
from autoglm_protos.v1 import join_pb2, join_pb2_grpc


@dataclass(frozen=True)
class Addresses:
    """`host:port` of the two ports, as agents and operators dial them."""

    join: str
    agents: str


class JoinService(join_pb2_grpc.JoinServiceServicer):
    """Tokens turn into certificates."""

    def __init__(self, *, enrolment: Enrolment, ca: bytes, addresses: Addresses) -> None:
        self._enrolment = enrolment
        self._ca = ca
        self._addresses = addresses

    async def GetAuthority(self, request: join_pb2.GetAuthorityRequest, context: Context) -> join_pb2.GetAuthorityReply:
        """The authority's certificate; the caller compares its hash with its token."""
        require_tls13(context.auth_context())
        return join_pb2.GetAuthorityReply(ca=self._ca)

    async def Join(self, request: join_pb2.JoinRequest, context: Context) -> join_pb2.JoinReply:
        """Enrol an agent."""
        require_tls13(context.auth_context())
        if request.protocol > PROTOCOL:
            raise NewerProtocol(agent=request.protocol, coordinator=PROTOCOL)
        issued = await self._enrolment.join(
            request.secret, request.csr, name=request.name, site_key=request.site_key, proof=request.proof
        )
        return self._joined(issued)

    async def Login(self, request: join_pb2.LoginRequest, context: Context) -> join_pb2.LoginReply:
        """Give an operator its certificate."""
        require_tls13(context.auth_context())
        issued = await self._enrolment.login(request.secret, request.csr)
        return join_pb2.LoginReply(
            certificate=issued.certificate, ca=self._ca, address=self._addresses.agents, operator_id=issued.identity.id
        )

    async def Challenge(self, request: join_pb2.ChallengeRequest, context: Context) -> join_pb2.ChallengeReply:
        """A nonce for `Reenroll`."""
        require_tls13(context.auth_context())
        return join_pb2.ChallengeReply(nonce=self._enrolment.challenge(request.agent_id))

    async def Reenroll(self, request: join_pb2.ReenrollRequest, context: Context) -> join_pb2.JoinReply:
        """An agent whose certificate ran out comes back by its site key."""
        require_tls13(context.auth_context())
        issued = await self._enrolment.reenrol(
            request.agent_id, request.csr, nonce=request.nonce, signature=request.signature
        )
        return self._joined(issued)

    def _joined(self, issued: Issued) -> join_pb2.JoinReply:
        return join_pb2.JoinReply(
            certificate=issued.certificate, ca=self._ca, address=self._addresses.agents, agent_id=issued.identity.id
        )
