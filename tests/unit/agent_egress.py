"""What may leave a site, and that nothing else can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from autoglm_agent.audit import AuditLog, verify
from autoglm_agent.egress import CHUNK_BYTES, FROM_SITES, KINDS, Egress
from autoglm_agent.errors import NotAllowedOut
from autoglm_agent.outgoing import (
    AcceptTask,
    AnswerCheck,
    AnswerProbe,
    AuditHead,
    Beat,
    DecideRoster,
    DecideStudy,
    FailTask,
    FetchArtifact,
    RefuseTask,
    SayHello,
    SealedMetrics,
    SendInSession,
    StreamMessage,
    UploadVector,
)
from autoglm_core.canonical import digest
from autoglm_core.codes import RefusalCode
from autoglm_core.privacy.bodies import Masked
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.vectors import ClearVector, MaskedVector
from autoglm_core.task import TaskId

TASK = TaskId("s-1", "t" * 64, 1, 1, 7)
ADVERT = Message(MessageKind.ADVERT, b"body", bytes(64))
HELLO = SayHello("0.1.0", "", "h", (("heart", "tabular-classification"),), "a" * 64, 1, 0, "0" * 64)
ALLOWED: list[StreamMessage] = [
    HELLO,
    Beat((TASK,)),
    DecideRoster("a" * 64, accepted=True),
    DecideStudy("s-1", "b" * 64, True, RefusalCode.OK, bytes(64)),
    AnswerCheck("12", RefusalCode.WOULD_ASK, "c" * 64),
    AcceptTask(TASK),
    RefuseTask(TASK, RefusalCode.BUSY),
    FailTask(TASK, RefusalCode.NON_FINITE),
    AnswerProbe(TASK, SealedMetrics(b"sealed")),
    SendInSession(bytes(32), ADVERT, "s-1"),
    AuditHead(3, "d" * 64, bytes(64)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def egress(path: Path) -> Iterator[Egress]:
    log = AuditLog(path)
    yield Egress(log)
    log.close()


def test_the_allow_list_holds_every_kind_of_message_and_no_other() -> None:
    assert set(KINDS) == {kind.__name__ for kind in get_args(StreamMessage)}
    assert {type(message).__name__ for message in ALLOWED} == set(KINDS)


@pytest.mark.parametrize("message", ALLOWED, ids=lambda message: type(message).__name__)
def test_an_allowed_message_is_recorded_with_the_hash_of_what_leaves(
    egress: Egress, path: Path, message: StreamMessage
) -> None:
    sent = egress.admit(message).SerializeToString(deterministic=True)
    entries = list(verify(path))
    if KINDS[type(message).__name__]:
        (entry,) = entries
        assert (entry.sha256, entry.size, entry.study) == (digest(sent), len(sent), message.study)
    else:
        assert entries == []


@pytest.mark.parametrize("kind", FROM_SITES, ids=lambda kind: kind.label)
def test_a_session_message_is_recorded_as_what_it_is(egress: Egress, path: Path, kind: MessageKind) -> None:
    egress.admit(SendInSession(bytes(32), replace(ADVERT, kind=kind), "s-1"))
    assert [entry.kind for entry in verify(path)] == [f"session-{kind.label}"]


@pytest.mark.parametrize(
    "message",
    [
        RefuseTask(replace(TASK, study_id="/srv/heart.csv"), RefusalCode.BUSY),
        RefuseTask(replace(TASK, trial="age 63, chol 233"), RefusalCode.BUSY),
        RefuseTask(TASK, "cannot open /srv/heart.csv"),  # type: ignore[arg-type]
        FailTask(TASK, "busy"),  # type: ignore[arg-type]
        FailTask(TASK, RefusalCode.BAD_SHARE, "the site with 233"),
        AnswerCheck("12", RefusalCode.OK, "column 'age' is missing"),
        AnswerProbe(TASK, SealedMetrics(b"")),
        AnswerProbe(TASK, SealedMetrics(bytes(2**20 + 1))),
        DecideStudy("s-1", "b" * 64, True, RefusalCode.OK, b""),
        DecideRoster("short", accepted=True),
        replace(HELLO, data=(("heart", "a b"),)),
        SendInSession(bytes(32), replace(ADVERT, signature=b""), "s-1"),
        SendInSession(bytes(32), replace(ADVERT, kind=MessageKind.SURVIVORS), "s-1"),
        SendInSession(bytes(32), replace(ADVERT, kind=MessageKind.MASKED), "s-1"),
        SendInSession(b"", ADVERT, "s-1"),
        ClearVector(np.zeros(1, "<u4"), np.zeros(1, "<u8")),
        "text",
    ],
    ids=str,
)
def test_anything_else_is_refused_and_leaves_no_trace(egress: Egress, path: Path, message: Any) -> None:
    with pytest.raises(NotAllowedOut):
        egress.admit(message)
    assert list(verify(path)) == []


def upload_of(vector: MaskedVector, *, named: MaskedVector | None = None) -> UploadVector:
    body = Masked(bytes(32), "site-a", bytes.fromhex((named or vector).sha256))
    return UploadVector(bytes(32), vector, Message(MessageKind.MASKED, body.encode(), bytes(64)), "s-1")


def vector_of(body: int, tail: int) -> MaskedVector:
    random = np.random.default_rng(1)
    return MaskedVector(
        body=random.integers(0, 2**32, body, dtype=np.uint32), tail=random.integers(0, 2**64, tail, dtype=np.uint64)
    )


@pytest.mark.parametrize(("body", "tail"), [(0, 1), (3, 2), (CHUNK_BYTES, 5), (10, CHUNK_BYTES // 4)])
def test_the_chunks_of_a_vector_are_its_image(egress: Egress, path: Path, body: int, tail: int) -> None:
    vector = vector_of(body, tail)
    chunks = list(egress.admit_upload(upload_of(vector)))
    assert b"".join(chunk.data for chunk in chunks) == vector.to_bytes()
    assert all(len(chunk.data) <= CHUNK_BYTES for chunk in chunks)
    assert (chunks[0].total, chunks[0].sha256) == (vector.layout.byte_size, vector.sha256)
    (entry,) = verify(path)
    assert (entry.kind, entry.sha256) == ("masked-vector", vector.sha256)


def test_a_clear_vector_is_refused_even_where_the_type_checker_was_silenced(egress: Egress, path: Path) -> None:
    masked = vector_of(3, 2)
    clear = ClearVector(body=masked.body, tail=masked.tail)
    with pytest.raises(NotAllowedOut):
        egress.admit_upload(replace(upload_of(masked), vector=clear))  # type: ignore[arg-type]
    assert list(verify(path)) == []


def test_a_vector_under_the_header_of_another_is_refused(egress: Egress) -> None:
    with pytest.raises(NotAllowedOut):
        egress.admit_upload(upload_of(vector_of(3, 2), named=vector_of(4, 2)))


def test_a_fetch_names_a_hash_and_nothing_else(egress: Egress, path: Path) -> None:
    egress.admit_fetch(FetchArtifact("a" * 64, 5, "s-1"))
    with pytest.raises(NotAllowedOut):
        egress.admit_fetch(FetchArtifact("../heart.csv", 0, "s-1"))
    assert [entry.kind for entry in verify(path)] == ["fetch"]
