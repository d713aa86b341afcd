"""`autoglm-agent` of a device whose first answers to a probe are wrong, one way after the other, and then honest.

    python lying_device.py FOLDER ARGUMENTS OF THE PROGRAM

What it measured is written to FOLDER in clear, for a test to look for elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from autoglm_agent.command_line import main
from autoglm_core.privacy import sealing
from autoglm_core.privacy.keys import SiteKey

HONEST = sealing.seal
LIES = ("another-study", "another-key", "replayed", "changed")


class Liar:
    """Seals as the product does, and sends something else as often as there are lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers = self._lies()
        self._first = b""

    def seal(self, recipient: bytes, clear: bytes, *, context: bytes, signer: SiteKey) -> bytes:
        """In place of `sealing.seal`."""
        (self._folder / f"{len(list(self._folder.iterdir()))}.json").write_bytes(clear)
        honest = HONEST(recipient, clear, context=context, signer=signer)
        self._first = self._first or honest
        answer = next(self._answers, None)
        return honest if answer is None else answer(recipient, clear, context, signer)

    def _lies(self) -> Iterator[Callable[[bytes, bytes, bytes, SiteKey], bytes]]:
        yield lambda to, clear, context, key: HONEST(to, clear, context=context + b"another", signer=key)
        yield lambda to, clear, context, _: HONEST(to, clear, context=context, signer=SiteKey.generate())
        yield lambda *_: self._first
        yield lambda to, clear, context, key: flipped(HONEST(to, clear, context=context, signer=key))


def flipped(sealed: bytes) -> bytes:
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {"seal": Liar(folder).seal}.items():
        setattr(sealing, name, value)
    sys.exit(main(sys.argv[2:]))
