"""The only way out of a site.

Three rules, checked for every message in this order: its type is on the allow-list; what is in it is of the bounded
form that its kind has (identifiers, hashes, codes of a closed list, ciphertext, signatures); it is in the audit log
before it is sent. Anything else raises `NotAllowedOut` and nothing leaves. Heartbeats and audit heads are not
recorded: they hold nothing but ids that the coordinator gave out itself and the head of the record, and one of them
goes out every few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from autoglm_agent.audit import AuditLog
from autoglm_agent.errors import NotAllowedOut
from autoglm_agent.outgoing import (
    AnswerCheck,
    AnswerProbe,
    AuditHead,
    Beat,
    DecideRoster,
    DecideStudy,
    FailTask,
    FetchArtifact,
    RefuseTask,
    RenewCertificate,
    SayHello,
    SendInSession,
    StreamMessage,
    UploadVector,
)
from autoglm_agent.wire import encode
from autoglm_core.canonical import digest
from autoglm_core.codes import RefusalCode
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.bodies import Masked
from autoglm_core.privacy.keys import SIGNATURE_BYTES
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.vectors import MaskedVector
from autoglm_core.task import TaskId
from autoglm_protos.v1 import agent_pb2 as pb

KINDS = {
    "SayHello": "hello",
    "Beat": "",
    "AuditHead": "",
    "DecideRoster": "roster-decision",
    "DecideStudy": "study-decision",
    "AnswerCheck": "check-answer",
    "AcceptTask": "task-accepted",
    "RefuseTask": "task-refused",
    "FailTask": "task-failed",
    "AnswerProbe": "sealed-metrics",
    "SendInSession": "session",
}
"""The allow-list of the stream: type -> kind in the audit log; empty: not recorded.

Session messages are recorded as `session-advert`, `session-shares` and so on, so that the log shows each release: a
`session-unmask`.
"""
FROM_SITES = frozenset({MessageKind.ADVERT, MessageKind.SHARES, MessageKind.SURVIVOR_SIGNATURE, MessageKind.UNMASK})
"""Kinds of the secure sum that a site sends on its stream; its masked vector goes by `UploadVector` alone."""
CHUNK_BYTES = 512 * 1024
LARGEST_SEALED = 2**20

_HASH = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class Egress:
    """Admits messages, one by one, and records them in `audit`."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def admit(self, message: StreamMessage) -> pb.AgentMessage:
        """The wire's form of `message`, recorded.

        Raises:
            NotAllowedOut: its kind or its content is not on the allow-list.
        """
        name = type(message).__name__
        if name not in KINDS:
            raise NotAllowedOut(what=name)
        _check(message)
        encoded = encode(message)
        kind = KINDS[name]
        if kind:
            if isinstance(message, SendInSession):
                kind = f"{kind}-{message.message.kind.label}"
            data = encoded.SerializeToString(deterministic=True)
            self._audit.append(kind, size=len(data), sha256=digest(data), study=message.study)
        return encoded

    def admit_fetch(self, message: FetchArtifact) -> pb.GetRequest:
        """As `admit`, for a download's request."""
        _require(_HASH.fullmatch(message.sha256), "artifact")
        _require_words(message.study)
        request = pb.GetRequest(sha256=message.sha256, offset=message.offset, study_id=message.study)
        data = request.SerializeToString(deterministic=True)
        self._audit.append("fetch", size=len(data), sha256=digest(data), study=message.study)
        return request

    def admit_upload(self, message: UploadVector) -> Iterator[pb.PutChunk]:
        """As `admit`, for a masked vector: its chunks, to be sent in order; recorded before the first is made."""
        if type(message.vector) is not MaskedVector:
            raise NotAllowedOut(what=type(message.vector).__name__)
        vector, header = message.vector, message.header
        _require(header.kind is MessageKind.MASKED and len(header.signature) == SIGNATURE_BYTES, "vector header")
        try:
            named = Masked.decode(header.body).vector.hex()
        except Malformed:
            raise NotAllowedOut(what="vector header") from None
        _require(named == vector.sha256, "vector")
        self._audit.append("masked-vector", size=vector.layout.byte_size, sha256=named, study=message.study)
        return _chunks(message, named)

    def admit_renewal(self, message: RenewCertificate) -> None:
        """Record that the certificate is being renewed, by the certificate that the coordinator knows."""
        self._audit.append("renewal", size=len(message.certificate), sha256=digest(message.certificate))


def _chunks(message: UploadVector, sha256: str) -> Iterator[pb.PutChunk]:
    vector = message.vector
    total = vector.layout.byte_size
    first = pb.PutChunk(
        session_id=message.session_id,
        sha256=sha256,
        total=total,
        data=vector.tail.tobytes(),
        signature=message.header.signature,
        header=message.header.body,
    )
    # A tail is small but not bounded by a chunk; gRPC's own limit is eight chunks.
    if len(first.data) > CHUNK_BYTES:
        tail, first.data = first.data, b""
        yield first
        for start in range(0, len(tail), CHUNK_BYTES):
            yield pb.PutChunk(data=tail[start : start + CHUNK_BYTES])
    else:
        yield first
    body = vector.body.view(np.uint8).data
    for start in range(0, body.nbytes, CHUNK_BYTES):
        yield pb.PutChunk(data=bytes(body[start : start + CHUNK_BYTES]))


def _check(message: StreamMessage) -> None:
    match message:
        case SendInSession(session_id, inner, _):
            _require(len(session_id) == 32, "session id")
            _check_session_message(inner)
        case AnswerProbe(task, metrics):
            _check_task(task)
            _require(0 < len(metrics.sealed) <= LARGEST_SEALED, "sealed metrics")
        case RefuseTask(task, code):
            _check_task(task)
            _require(type(code) is RefusalCode, "code")
        case FailTask(task, code, accused):
            _check_task(task)
            _require(type(code) is RefusalCode, "code")
            _require_words(accused)
        case Beat(running):
            for task in running:
                _check_task(task)
        case SayHello() | DecideRoster() | DecideStudy() | AnswerCheck() | AuditHead():
            _check_notice(message)
        case _:
            _check_task(message.task)


def _check_notice(message: SayHello | DecideRoster | DecideStudy | AnswerCheck | AuditHead) -> None:
    match message:
        case SayHello():
            _require_words(message.version, message.host_id, message.device_class, message.roster_hash)
            _require_words(*(word for entry in message.data for word in entry))
        case DecideRoster(roster_hash):
            _require(_HASH.fullmatch(roster_hash), "roster hash")
        case DecideStudy(study, study_hash, _, code, signature):
            _require_words(study)
            _require(_HASH.fullmatch(study_hash) and len(signature) == SIGNATURE_BYTES, "decision")
            _require(type(code) is RefusalCode, "code")
        case AnswerCheck(check_id, code, schema_hash):
            _require_words(check_id, schema_hash)
            _require(type(code) is RefusalCode, "code")
        case AuditHead(_, head, signature):
            _require(_HASH.fullmatch(head) and len(signature) == SIGNATURE_BYTES, "audit head")


def _check_session_message(message: Message) -> None:
    _require(message.kind in FROM_SITES, "session message")
    _require(len(message.signature) == SIGNATURE_BYTES, "session message without a signature")


def _check_task(task: TaskId) -> None:
    _require_words(task.study_id, task.trial)


def _require_words(*words: str) -> None:
    """Identifiers of the agreed form, or empty: no spaces, no slashes, no paths."""
    for word in words:
        _require(not word or _WORD.fullmatch(word), "identifier")


def _require(holds: object, what: str) -> None:
    if not holds:
        raise NotAllowedOut(what=what)
