"""Protobuf to domain values and back, for what both daemons carry: each type has one pair of functions.

What only one side speaks (an offer, a hello) is converted at that side's edge.
"""

from __future__ import annotations

import re

from autoglm_core.encoding import Malformed
from autoglm_core.privacy.messages import Message
from autoglm_core.task import TaskId
from autoglm_protos.v1 import agent_pb2

IDENTIFIER = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,127})?")
"""What names a study, a trial, a host, a version: short, and nothing that a terminal or a path would read otherwise."""


def identifier_from_wire(text: str) -> str:
    """`text` itself; raises `Malformed` where it is neither empty nor an identifier."""
    if not IDENTIFIER.fullmatch(text):
        raise Malformed(what="identifier")
    return text


def task_to_wire(task: TaskId) -> agent_pb2.TaskId:
    """As protobuf."""
    return agent_pb2.TaskId(
        study_id=task.study_id, trial=task.trial, round=task.round, attempt=task.attempt, sequence=task.sequence
    )


def task_from_wire(message: agent_pb2.TaskId) -> TaskId:
    """Inverse of `task_to_wire`; raises `Malformed` where study or trial is no identifier."""
    study_id, trial = identifier_from_wire(message.study_id), identifier_from_wire(message.trial)
    return TaskId(study_id, trial, message.round, message.attempt, message.sequence)


def session_message_to_wire(session_id: bytes, message: Message) -> agent_pb2.SessionMessage:
    """A message of the secure sum, as protobuf."""
    return agent_pb2.SessionMessage(
        session_id=session_id, kind=int(message.kind), body=message.body, signature=message.signature
    )


def session_message_from_wire(message: agent_pb2.SessionMessage) -> Message:
    """Inverse of `session_message_to_wire`; the session id stands beside it.

    Raises:
        Malformed: a kind that this version does not know.
    """
    return Message.of(message.kind, message.body, message.signature)
