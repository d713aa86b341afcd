"""Typed errors of the product.

Every error carries a stable `code`, a `kind` and its data as scalars, so that it can cross the wire and be rebuilt on
the other side without its text being parsed. The kinds are few because they are what a caller can act on; the codes
are many because a user must be told exactly what to change. Never put a secret, a data value or a site's path into an
error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

Scalar = str | int | float | bool | None


class Kind(StrEnum):
    """What a caller can do about an error."""

    INVALID = "invalid"
    """The request is wrong: change it."""
    NOT_FOUND = "not-found"
    """The thing named does not exist."""
    DENIED = "denied"
    """Who asks may not do this."""
    UNAUTHENTICATED = "unauthenticated"
    """Who asks did not prove who they are."""
    CONFLICT = "conflict"
    """The thing is in another state than the request needs."""
    EXHAUSTED = "exhausted"
    """A limit (disk, memory, size, budget) was reached."""
    UNAVAILABLE = "unavailable"
    """Try again later."""
    ABORTED = "aborted"
    """The work was given up as a whole; a new attempt may pass."""
    INTERNAL = "internal"
    """A defect of this program."""


class AutoglmError(Exception):
    """Base of every error the product raises on purpose.

    Subclasses set `code` (kebab-case, unique) and `kind`, and pass their data to `super().__init__` by keyword.
    """

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = Kind.INTERNAL

    def __init__(self, message: str, **data: Scalar) -> None:
        super().__init__(message)
        self.message = message
        self.data: dict[str, Scalar] = data


class RemoteError(AutoglmError):
    """An error that the other side raised; `remote_code`, `remote_kind` and `data` are as it sent them."""

    code = "remote"
    kind = Kind.INTERNAL

    def __init__(self, message: str, *, remote_code: str, remote_kind: Kind, **data: Scalar) -> None:
        super().__init__(message, **data)
        self.remote_code = remote_code
        self.remote_kind = remote_kind


class InvalidInput(AutoglmError):
    """Something the user wrote cannot be used."""

    code = "invalid-input"
    kind = Kind.INVALID


class NotFound(AutoglmError):
    """Nothing has that name."""

    code = "not-found"
    kind = Kind.NOT_FOUND


class Conflict(AutoglmError):
    """The thing is in another state than the request needs."""

    code = "conflict"
    kind = Kind.CONFLICT


class Denied(AutoglmError):
    """The peer may not do this."""

    code = "denied"
    kind = Kind.DENIED
