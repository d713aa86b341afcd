"""`autoglm-agent` with a tap behind everything: each message is copied as the bytes that go into TLS.

The tap sits in the channel, below egress and below the stubs, so that it also hears what would go around them. Beside
it lie the clear vectors that the site's sessions masked, for a test to look for. Records are (kind, name, bytes), each
length-prefixed, in `TAP_FILE`.

With `TAP_BREAKS` set, this site gives its first training session up after every vector was delivered, so that the
session is repeated over the same inputs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from autoglm_agent import session, stream, tasks
from autoglm_agent.admission import Admitted
from autoglm_agent.command_line import main
from autoglm_agent.contribution import Contribution
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.encoding import Reader, Writer
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.site_events import RecordRelease, SiteInstruction
from autoglm_core.privacy.vectors import ClearVector
from autoglm_protos.tls import open_channel

TAP_FILE, TAP_BREAKS = "TAP_FILE", "TAP_BREAKS"
WIRE, CLEAR = "wire", "clear"
LARGEST = 2**31
_LOCK = threading.Lock()


def record(kind: str, name: str, data: bytes) -> None:
    """Append to the tap's file."""
    body = Writer().text(kind).text(name).blob(data).finish()
    with _LOCK, Path(os.environ[TAP_FILE]).open("ab") as file:
        file.write(len(body).to_bytes(8, "big") + body)


def records(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """What a tap recorded, in order."""
    data = path.read_bytes()
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 8], "big")
        reader = Reader(data[position + 8 : position + 8 + size], what="tap")
        yield reader.text(), reader.text(), bytes(reader.blob())
        position += 8 + size


class TappedChannel:
    """A channel whose every method records what it serializes."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._channel, name)
        return self._tapped(inner) if name.endswith(("_unary", "_stream")) else inner

    def _tapped(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def method(path: str, request_serializer: Callable[[Any], bytes], **more: Any) -> Any:
            def serialize(message: Any) -> bytes:
                data = request_serializer(message)
                record(WIRE, path, data)
                return data

            return inner(path, request_serializer=serialize, **more)

        return method


class TappedContribution(Contribution):
    """Copies the clear vector, which in the product never leaves this process."""

    def vector(self, reply: Any) -> ClearVector:
        """As the product's."""
        clear = super().vector(reply)
        record(CLEAR, self._admitted.spec.session_id.hex(), clear.body.tobytes() + clear.tail.tobytes())
        return clear


class BreakingRun(session.SessionRun):
    """Gives the first training session up when its shares are asked for."""

    broke = False

    async def run(self, admitted: Admitted) -> None:
        """As the product's, knowing the purpose."""
        self._training = admitted.spec.purpose is Purpose.TRAIN
        await super().run(admitted)

    async def _carry_out(self, instruction: SiteInstruction) -> None:
        if isinstance(instruction, RecordRelease) and self._training and not BreakingRun.broke:
            BreakingRun.broke = True
            raise RefusedWith(RefusalCode.INTERNAL)
        await super()._carry_out(instruction)


def tap() -> None:
    """Put the tap, and the break where it is asked for, into this process."""
    replaced: dict[str, tuple[Any, Any]] = {
        "open_channel": (stream, lambda *words, **more: TappedChannel(open_channel(*words, **more))),
        "Contribution": (session, TappedContribution),
    }
    if os.environ.get(TAP_BREAKS):
        replaced["SessionRun"] = (tasks, BreakingRun)
    for name, (module, value) in replaced.items():
        setattr(module, name, value)


if __name__ == "__main__":
    tap()
    sys.exit(main())
