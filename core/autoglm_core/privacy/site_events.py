"""What a site's half of a session is told, and what it asks its agent to do, in the order given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoglm_core.errors import Scalar
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.vectors import ClearVector, MaskedVector


@dataclass(frozen=True)
class Start:
    """The offer was accepted: draw secrets and advertise."""


@dataclass(frozen=True)
class Received:
    """The coordinator's stream brought a message of this session."""

    message: Message


@dataclass(frozen=True, eq=False)
class InputReady:
    """The site's own vector is computed; may come before or after the shares."""

    vector: ClearVector


@dataclass(frozen=True)
class Abort:
    """The agent gives up (lease expired, work failed, cancelled)."""

    code: str


SiteEvent = Start | Received | InputReady | Abort


@dataclass(frozen=True)
class Send:
    """Send `message` on the stream."""

    message: Message


@dataclass(frozen=True, eq=False)
class UploadMasked:
    """Note the session id and `vector.sha256` on disk as used, then upload; a retry sends the same bytes."""

    vector: MaskedVector
    message: Message


@dataclass(frozen=True)
class RecordRelease:
    """Must be durable before the `Send` that follows: shares for these models go out, over exactly these survivors."""

    survivors: tuple[str, ...]
    models: tuple[str, ...]
    purpose: Purpose
    input_hash: str
    """SHA-256 of the clear input; stays at the site."""


@dataclass(frozen=True)
class Done:
    """This site's part is over; forget the session."""


@dataclass(frozen=True)
class Aborted:
    """The session is over at this site and its secrets are gone; `code` is one of `autoglm_core.privacy.errors`."""

    code: str
    data: Mapping[str, Scalar] = field(default_factory=dict)


SiteInstruction = Send | UploadMasked | RecordRelease | Done | Aborted
