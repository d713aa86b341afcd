"""Domain messages to protobuf and back, for the agents' stream."""

from __future__ import annotations

import re

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
from autoglm_coordinator.service.checks import CheckAnswer
from autoglm_coordinator.store.api import AuditHead
from autoglm_core.codes import code_of
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.keys import SIGNATURE_BYTES
from autoglm_core.privacy.session_spec import HASH_BYTES
from autoglm_protos.convert import identifier_from_wire, session_message_to_wire, task_to_wire
from autoglm_protos.v1 import agent_pb2

MOST_DATASETS = 256
_NUMBER = re.compile(r"[0-9]{1,18}")
_LARGEST = 2**63
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
    """Who says hello: identity from the certificate, the rest from the message.

    Raises:
        Malformed: more datasets than `MOST_DATASETS`, or a text that is no identifier.
    """
    if len(hello.data) > MOST_DATASETS:
        raise Malformed(what=f"hello: more than {MOST_DATASETS} datasets")
    return AgentFacts(
        agent_id=agent_id,
        name=name,
        kind=KINDS.get(hello.kind, "site"),
        host_id=identifier_from_wire(hello.host_id),
        device_class=identifier_from_wire(hello.device_class),
        data=tuple((identifier_from_wire(entry.name), identifier_from_wire(entry.workload)) for entry in hello.data),
        roster_hash=identifier_from_wire(hello.roster_hash),
        version=identifier_from_wire(hello.version),
    )


def decode_check(agent_id: str, check: agent_pb2.CheckResult) -> tuple[int, CheckAnswer]:
    """The dry run that is answered, and the answer; raises `Malformed`."""
    if not _NUMBER.fullmatch(check.check_id):
        raise Malformed(what="check")
    return int(check.check_id), CheckAnswer(agent_id, decode_code(check.code), identifier_from_wire(check.schema_hash))


def decode_code(word: str) -> str:
    """One of the closed list; what is not on it says nothing but `internal`."""
    return str(code_of(word))


def decode_audit_head(head: agent_pb2.AuditHead) -> AuditHead:
    """As carried, not verified; raises `Malformed`."""
    if not (head.sequence < _LARGEST and len(head.head) == HASH_BYTES and len(head.signature) == SIGNATURE_BYTES):
        raise Malformed(what="audit head")
    return AuditHead(head.sequence, head.head, head.signature)
