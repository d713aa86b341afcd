"""The parsers of what comes over gRPC beside the secure sum's bodies: stream, errors, certificates, reassembly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from google.protobuf.message import DecodeError, Message

from autoglm_agent import wire as agent_wire
from autoglm_agent.download import Download, Room
from autoglm_coordinator.pki.authority import Authority, BadRequest
from autoglm_coordinator.service import agents as agent_service
from autoglm_coordinator.service import wire as coordinator_wire
from autoglm_core.codes import RefusedWith
from autoglm_core.encoding import Malformed
from autoglm_core.errors import AutoglmError, RemoteError
from autoglm_core.identity import Identity, Role
from autoglm_core.task import TaskId
from autoglm_protos import enroll
from autoglm_protos.convert import session_message_from_wire, session_message_to_wire, task_to_wire
from autoglm_protos.errors import METADATA_KEY, Unreachable, encode_error, translate
from autoglm_protos.host import SystemClock
from autoglm_protos.tls import PeerRefused, peer_of
from autoglm_protos.v1 import agent_pb2 as pb
from support.parser_contract import JsonParser, Parser
from support.parsers_core import SPEC, finished, manifests, studies

IMAGE = bytes(range(256)) * 4
HASH = sha256(IMAGE).hexdigest()
SLOW = 2048
AGENT = Identity("north", Role.AGENT, "st-mary-1")


@cache
def authority() -> Authority:
    return Authority.create("north", now=SystemClock().now())


# Chunks: each serialized, behind its length in two bytes


def packed(messages: Sequence[Message]) -> bytes:
    """A stream of messages as one input."""
    parts = [message.SerializeToString() for message in messages]
    return b"".join(len(part).to_bytes(2, "little") + part for part in parts)


def unpacked(kind: Any, data: bytes) -> Iterator[Any]:
    """Inverse of `packed`; a last message may be cut short."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "little")
        yield kind.FromString(data[at + 2 : at + 2 + size])
        at += 2 + size


def _upload(data: bytes) -> bytes:
    """As the coordinator receives a masked vector: the announced image, or nothing."""
    chunks = unpacked(pb.PutChunk, data)
    first = next(chunks, pb.PutChunk())

    async def rest() -> AsyncIterator[pb.PutChunk]:
        for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk

    image = asyncio.run(agent_service._receive_image(first, rest(), len(IMAGE)))
    assert len(image) == len(IMAGE)
    assert sha256(image).hexdigest() == first.sha256
    return bytes(image)


def _uploads() -> list[bytes]:
    first = pb.PutChunk(session_id=bytes(32), sha256=HASH, total=len(IMAGE), data=IMAGE[:300], signature=bytes(64))
    return [packed([first, pb.PutChunk(data=IMAGE[300:700]), pb.PutChunk(data=IMAGE[700:])])]


def _download(data: bytes) -> bytes:
    """As an agent fetches an artifact; an empty chunk stands for a connection that broke."""
    download = Download(HASH, Room(len(IMAGE)))
    for chunk in unpacked(pb.GetChunk, data):
        if chunk.ByteSize():
            download.add(chunk.total, chunk.data)
        else:
            download.begin()
    image = bytes(download.finish())
    assert image == IMAGE
    return image


def _downloads() -> list[bytes]:
    whole = [pb.GetChunk(total=len(IMAGE)), pb.GetChunk(data=IMAGE[:600]), pb.GetChunk(data=IMAGE[600:])]
    return [packed(whole), packed([*whole[:2], pb.GetChunk(), pb.GetChunk(total=len(IMAGE), data=IMAGE[600:])])]


# The stream


def _from_agent(data: bytes) -> object:
    message = pb.AgentMessage.FromString(data)
    match message.WhichOneof("message"):
        case "hello":
            return coordinator_wire.decode_facts("st-mary-1", "st-mary", message.hello)
        case "session":
            return session_message_from_wire(message.session)
        case "check":
            return coordinator_wire.decode_check("st-mary-1", message.check)
        case "audit":
            return coordinator_wire.decode_audit_head(message.audit)
        case "decision":
            return coordinator_wire.decode_code(message.decision.code)
        case "refused":
            return coordinator_wire.decode_code(message.refused.code)
    return None


def _agent_messages() -> list[bytes]:
    data = [pb.DataDeclared(name="heart", workload="tabular-classification")]
    hello = pb.Hello(
        protocol=1, version="0.1.0", kind=pb.AGENT_KIND_SITE, host_id="ab12", data=data, roster_hash="ab" * 32
    )
    message = next(iter(finished().messages.values()))
    said = [
        pb.AgentMessage(hello=hello),
        pb.AgentMessage(session=session_message_to_wire(SPEC.session_id, message)),
        pb.AgentMessage(check=pb.CheckResult(check_id="12", code="ok", schema_hash="ab" * 32)),
        pb.AgentMessage(audit=pb.AuditHead(sequence=3, head=bytes(32), signature=bytes(64))),
        pb.AgentMessage(decision=pb.StudyDecision(study_id="heart", approved=True, code="ok", signature=bytes(64))),
        pb.AgentMessage(refused=pb.TaskRefused(code="busy")),
    ]
    return [entry.SerializeToString() for entry in said]


def _coordinator_messages() -> list[bytes]:
    task = task_to_wire(TaskId("heart-7f3a", "ab" * 32, 3, 1, 77))
    message = next(iter(finished().shown.values()))
    session = pb.SessionTask(spec=SPEC.encode(), manifest=manifests()[0].encode())
    said = [
        pb.CoordinatorMessage(welcome=pb.Welcome(protocol=1, deployment="north", store_epoch=4, heartbeat_seconds=5)),
        pb.CoordinatorMessage(offer=pb.Offer(id=task, lease_seconds=30, session=session)),
        pb.CoordinatorMessage(offer=pb.Offer(id=task, lease_seconds=30, probe=pb.ProbeTask(manifest=b"{}"))),
        pb.CoordinatorMessage(session=session_message_to_wire(SPEC.session_id, message)),
        pb.CoordinatorMessage(study=pb.StudyOffer(study_id="heart", study=studies()[0], roster_hash="ab" * 32)),
        pb.CoordinatorMessage(check=pb.CheckOffer(check_id="12", study=studies()[1])),
        pb.CoordinatorMessage(cancel=pb.Cancel(id=task, code="completed")),
        pb.CoordinatorMessage(drain=pb.Drain(seconds=5)),
    ]
    return [entry.SerializeToString() for entry in said]


# Errors, certificates


class _Odd(AutoglmError):
    code = "odd"


def _error(data: bytes) -> None:
    carried = grpc.aio.Metadata((METADATA_KEY, data))
    failure = grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), carried, "details", None)
    assert isinstance(translate(failure), RemoteError | Unreachable)


def _issued(data: bytes) -> x509.Certificate:
    """As a newcomer reads the certificate that it is given."""
    certificate = enroll._certificate(data)
    enroll._check_issued(certificate, enroll._certificate(authority().pem))
    return certificate


def _certificates() -> list[bytes]:
    now = SystemClock().now()
    return [authority().issue(enroll.new_request().csr, AGENT, now=now).certificate, authority().pem]


def _request(data: bytes) -> object:
    return authority().issue(data, AGENT, now=SystemClock().now())


def _peer(data: bytes) -> object:
    return peer_of({"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [data]})


WIRE = (
    Parser("upload", _upload, (agent_service.DamagedUpload, DecodeError), _uploads, bomb=SLOW),
    Parser("download", _download, (RefusedWith, DecodeError), _downloads, bomb=SLOW),
    Parser("agent-message", _from_agent, (Malformed, DecodeError), _agent_messages),
    Parser("coordinator-message", lambda data: agent_wire.decode(pb.CoordinatorMessage.FromString(data)),
           (Malformed, DecodeError), _coordinator_messages),
    JsonParser("error", _error, (), lambda: [encode_error(_Odd("m", site="a", count=3, ratio=0.5))]),
    Parser("certificate-request", _request, (BadRequest,), lambda: [enroll.new_request().csr]),
    Parser("certificate", _issued, (enroll.WrongAuthority,), _certificates),
    Parser("peer-certificate", _peer, (PeerRefused,), _certificates),
)  # fmt: skip
