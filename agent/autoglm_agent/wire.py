"""Domain values to protobuf and back, for the agent's side of the stream.

Only `egress` encodes, only `stream` decodes.
"""

from __future__ import annotations

from datetime import timedelta

from autoglm_agent.incoming import (
    AuditKept,
    CheckAsked,
    CoordinatorDrains,
    Incoming,
    ProbeOffered,
    RosterOffered,
    SessionOffered,
    SessionReceived,
    StudyOffered,
    StudyOver,
    TaskCancelled,
    Welcome,
)
from autoglm_agent.outgoing import (
    AcceptTask,
    AnswerCheck,
    AnswerProbe,
    AuditHead,
    Beat,
    DecideRoster,
    DecideStudy,
    FailTask,
    RefuseTask,
    SayHello,
    SendInSession,
    StreamMessage,
)
from autoglm_core.encoding import Malformed
from autoglm_core.parse_study import LARGEST_STUDY
from autoglm_protos.convert import (
    identifier_from_wire,
    session_message_from_wire,
    session_message_to_wire,
    task_from_wire,
    task_to_wire,
)
from autoglm_protos.v1 import agent_pb2 as pb

PROTOCOL = 1
LONGEST_LEASE = 24 * 3600.0
LARGEST_EPOCH = 2**63 - 1
"""What the ledger can hold."""


def encode(message: StreamMessage) -> pb.AgentMessage:
    """As protobuf."""
    match message:
        case SendInSession(session_id, inner, _):
            return pb.AgentMessage(session=session_message_to_wire(session_id, inner))
        case AcceptTask(task):
            return pb.AgentMessage(accepted=pb.TaskAccepted(id=task_to_wire(task)))
        case RefuseTask(task, code):
            return pb.AgentMessage(refused=pb.TaskRefused(id=task_to_wire(task), code=str(code)))
        case FailTask(task, code, accused):
            return pb.AgentMessage(failed=pb.TaskFailed(id=task_to_wire(task), code=str(code), accused=accused))
        case AnswerProbe(task, metrics):
            return pb.AgentMessage(probe=pb.ProbeResult(id=task_to_wire(task), sealed=metrics.sealed))
        case Beat(running):
            return pb.AgentMessage(heartbeat=pb.Heartbeat(running=[task_to_wire(task) for task in running]))
        case _:
            return _encode_notice(message)


def _encode_notice(message: SayHello | DecideRoster | DecideStudy | AnswerCheck | AuditHead) -> pb.AgentMessage:
    match message:
        case SayHello():
            return pb.AgentMessage(hello=_encode_hello(message))
        case DecideRoster(roster_hash, accepted, simulated):
            roster = pb.RosterDecision(roster_hash=roster_hash, accepted=accepted, simulated=simulated)
            return pb.AgentMessage(roster=roster)
        case DecideStudy(study, study_hash, approved, code, signature):
            decision = pb.StudyDecision(
                study_id=study, study_hash=study_hash, approved=approved, code=str(code), signature=signature
            )
            return pb.AgentMessage(decision=decision)
        case AnswerCheck(check_id, code, schema_hash):
            return pb.AgentMessage(check=pb.CheckResult(check_id=check_id, code=str(code), schema_hash=schema_hash))
        case AuditHead(sequence, head, signature):
            head_bytes = bytes.fromhex(head)
            return pb.AgentMessage(audit=pb.AuditHead(sequence=sequence, head=head_bytes, signature=signature))


def _encode_hello(hello: SayHello) -> pb.Hello:
    return pb.Hello(
        protocol=PROTOCOL,
        version=hello.version,
        kind=pb.AGENT_KIND_DEVICE if hello.device_class else pb.AGENT_KIND_SITE,
        host_id=hello.host_id,
        device_class=hello.device_class,
        data=[pb.DataDeclared(name=name, workload=workload) for name, workload in hello.data],
        roster_hash=hello.roster_hash,
        roster_simulated=hello.roster_simulated,
        store_epoch=hello.store_epoch,
        audit_sequence=hello.audit_sequence,
        audit_head=bytes.fromhex(hello.audit_head),
    )


def decode(message: pb.CoordinatorMessage) -> Incoming:
    """The domain value.

    Raises:
        Malformed: a kind of message, or of a message inside it, that this version does not know, or a value out of
            its range.
    """
    match message.WhichOneof("message"):
        case "session":
            return SessionReceived(message.session.session_id, session_message_from_wire(message.session))
        case "offer":
            return _decode_offer(message.offer)
        case "cancel":
            return TaskCancelled(task_from_wire(message.cancel.id))
        case "audit":
            return AuditKept(message.audit.sequence)
        case _:
            return _decode_notice(message)


def _decode_notice(message: pb.CoordinatorMessage) -> Incoming:
    match message.WhichOneof("message"):
        case "welcome":
            return _decode_welcome(message.welcome)
        case "roster":
            return RosterOffered(message.roster.body)
        case "study":
            study_id = identifier_from_wire(message.study.study_id)
            roster_hash = identifier_from_wire(message.study.roster_hash)
            return StudyOffered(study_id, _study(message.study.study), roster_hash)
        case "ended":
            return StudyOver(identifier_from_wire(message.ended.study_id))
        case "check":
            return CheckAsked(identifier_from_wire(message.check.check_id), _study(message.check.study))
        case "drain":
            return CoordinatorDrains(timedelta(seconds=message.drain.seconds))
        case _:
            raise Malformed(what="coordinator message")


def _decode_offer(offer: pb.Offer) -> SessionOffered | ProbeOffered:
    if not 0 < offer.lease_seconds <= LONGEST_LEASE:
        raise Malformed(what="lease")
    task, lease = task_from_wire(offer.id), timedelta(seconds=offer.lease_seconds)
    match offer.WhichOneof("task"):
        case "session":
            return SessionOffered(task, lease, offer.session.spec, offer.session.manifest)
        case "probe":
            return ProbeOffered(task, lease, offer.probe.manifest)
        case _:
            raise Malformed(what="offer")


def _study(body: bytes) -> bytes:
    if len(body) > LARGEST_STUDY:
        raise Malformed(what="study: too long")
    return body


def _decode_welcome(welcome: pb.Welcome) -> Welcome:
    if welcome.store_epoch > LARGEST_EPOCH:
        raise Malformed(what="store epoch")
    return Welcome(
        protocol=welcome.protocol,
        deployment=welcome.deployment,
        store_epoch=welcome.store_epoch,
        heartbeat=timedelta(seconds=max(1, welcome.heartbeat_seconds)),
        roster=welcome.roster.body,
        study_key=welcome.study_key,
    )
