"""What a child says beside its blobs, read strictly: it runs other people's models and a daemon believes its answer."""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.canonical import Json
from autoglm_core.errors import Kind, RemoteError
from autoglm_workloads.child.frames import BadFrame

_OWN_FIELDS = frozenset({"self", "message", "remote_code", "remote_kind"})
_LARGEST = 2**63


@dataclass(frozen=True)
class Answer:
    """A task's `meta` and the child's memory after it, in bytes."""

    meta: Json
    resident: int


def read_answer(fields: Json) -> Answer:
    """The answer in the head of a frame.

    Raises:
        RemoteError: the task raised; `remote_code` and `data` are the error's own.
        BadFrame: of another form.
    """
    if "error" in fields:
        raise _remote_error(fields["error"])
    meta, resident = fields.get("meta"), fields.get("resident")
    if not isinstance(meta, dict) or type(resident) is not int or not 0 <= resident < _LARGEST:
        raise BadFrame(reason="form of an answer")
    return Answer(meta, resident)


def _remote_error(description: object) -> RemoteError:
    if not isinstance(description, dict) or description.keys() != {"code", "kind", "message", "data"}:
        raise BadFrame(reason="form of an error")
    code, kind, message, data = (description[name] for name in ("code", "kind", "message", "data"))
    if not (isinstance(code, str) and isinstance(message, str) and isinstance(data, dict) and kind in tuple(Kind)):
        raise BadFrame(reason="form of an error")
    scalars = {
        name: value
        for name, value in data.items()
        if name not in _OWN_FIELDS and (value is None or isinstance(value, str | int | float))
    }
    return RemoteError(message, remote_code=code, remote_kind=Kind(kind), **scalars)
