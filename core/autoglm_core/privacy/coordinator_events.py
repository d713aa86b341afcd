"""What the coordinator's half of a session is told, and what it asks its daemon to do, in the order given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoglm_core.errors import Scalar
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.vectors import Body, MaskedVector


@dataclass(frozen=True)
class Opened:
    """The offers are out: begin, or after `resume`, go on."""


@dataclass(frozen=True)
class Received:
    """A message from the site whose certificate says `site_id`."""

    site_id: str
    message: Message


@dataclass(frozen=True, eq=False)
class MaskedArrived:
    """A whole masked vector with its header; `vector.known_sha256` spares hashing it a second time."""

    site_id: str
    vector: MaskedVector
    message: Message


@dataclass(frozen=True)
class SiteLost:
    """The site's lease expired or it refused; whatever it sends from now on is dropped."""

    site_id: str


@dataclass(frozen=True)
class Deadline:
    """The current phase ends with whoever answered."""


@dataclass(frozen=True)
class Persisted:
    """What `PersistSurvivors` asked for is durable."""


CoordinatorEvent = Opened | Received | MaskedArrived | SiteLost | Deadline | Persisted


@dataclass(frozen=True)
class SendTo:
    """Send `message` to a site."""

    site_id: str
    message: Message


@dataclass(frozen=True, eq=False)
class PersistSurvivors:
    """Durable point (a): store `record` and `running_sum`, then feed `Persisted`."""

    survivors: tuple[str, ...]
    running_sum: MaskedVector
    record: bytes
    """All that `CoordinatorSession.resume` needs besides the spec, the roster and the running sum."""


@dataclass(frozen=True)
class PersistShare:
    """Durable point (b): store `message` before carrying out the next instruction, its acknowledgement."""

    site_id: str
    message: Message


@dataclass(frozen=True)
class Blamed:
    """`site_id` provably broke the protocol; the session goes on without its answer where it can."""

    site_id: str
    code: str


@dataclass(frozen=True, eq=False)
class SumResult:
    """`body_sum` `(parameters,)` ring elements (see `ring.dequantize_sum`), `tail_sum` `(tail,)` int64."""

    body_sum: Body
    tail_sum: NDArray[np.int64]
    survivors: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Completed:
    """The sum over the survivors."""

    result: SumResult


@dataclass(frozen=True)
class Aborted:
    """No sum; `code` is one of `autoglm_core.privacy.errors`. Another attempt is another session."""

    code: str
    data: Mapping[str, Scalar] = field(default_factory=dict)


CoordinatorInstruction = SendTo | PersistSurvivors | PersistShare | Blamed | Completed | Aborted
