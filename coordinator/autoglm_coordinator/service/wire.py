"""Domain messages to protobuf and back, for the agents' stream."""

from __future__ import annotations

from autoglm_coordinator.federation.transport import (
    AcknowledgeAudit,
    AgentFacts,
    CancelTask,
    EndStudy,
    OfferCheck,
    OfferProbe,
    OfferSession,
    OfferStudy,
    Outgoing,
    SendDrain,
    SendRoster,
    SessionSend,
)
from autoglm_protos.convert import session_message_to_wire, task_to_wire
from autoglm_protos.v1 import agent_pb2

KINDS = {agent_pb2.AGENT_KIND_SITE: "site", agent_pb2.AGENT_KIND_DEVICE: "device"}


def encode_outgoing(message: Outgoing) -> agent_pb2.CoordinatorMessage:
    """As protobuf."""
    match message:
        case OfferSession(task, lease, spec, manifest):
            session = agent_pb2.SessionTask(spec=spec, manifest=manifest)
            offer = agent_pb2.Offer(id=task_to_wire(task), lease_seconds=lease.total_seconds(), session=session)
            return agent_pb2.CoordinatorMessage(offer=offer)
        case OfferProbe(task, lease, manifest):
            probe = agent_pb2.ProbeTask(manifest=manifest)
            offer = agent_pb2.Offer(id=task_to_wire(task), lease_seconds=lease.total_seconds(), probe=probe)
            return agent_pb2.CoordinatorMessage(offer=offer)
        case SessionSend(session_id, inner):
            return agent_pb2.CoordinatorMessage(session=session_message_to_wire(session_id, inner))
        case CancelTask(task, code):
            return agent_pb2.CoordinatorMessage(cancel=agent_pb2.Cancel(id=task_to_wire(task), code=code))
        case _:
            return _encode_notice(message)


def _encode_notice(message: Outgoing) -> agent_pb2.CoordinatorMessage:
    match message:
        case SendRoster(body):
            return agent_pb2.CoordinatorMessage(roster=agent_pb2.Roster(body=body))
        case OfferStudy(study_id, study, roster_hash):
            offer = agent_pb2.StudyOffer(study_id=study_id, study=study, roster_hash=roster_hash)
            return agent_pb2.CoordinatorMessage(study=offer)
        case EndStudy(study_id):
            return agent_pb2.CoordinatorMessage(ended=agent_pb2.StudyEnded(study_id=study_id))
        case OfferCheck(check_id, study):
            return agent_pb2.CoordinatorMessage(check=agent_pb2.CheckOffer(check_id=check_id, study=study))
        case AcknowledgeAudit(sequence):
            return agent_pb2.CoordinatorMessage(audit=agent_pb2.AuditAcknowledged(sequence=sequence))
        case SendDrain(seconds):
            return agent_pb2.CoordinatorMessage(drain=agent_pb2.Drain(seconds=seconds))
        case _:
            raise TypeError(f"no wire form for {type(message).__name__}")


def decode_facts(agent_id: str, name: str, hello: agent_pb2.Hello) -> AgentFacts:
    """Who says hello: identity from the certificate, the rest from the message."""
    return AgentFacts(
        agent_id=agent_id,
        name=name,
        kind=KINDS.get(hello.kind, "site"),
        host_id=hello.host_id,
        device_class=hello.device_class,
        data=tuple((entry.name, entry.workload) for entry in hello.data),
        roster_hash=hello.roster_hash,
        version=hello.version,
    )
