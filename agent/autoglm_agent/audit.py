"""The site's own record of all that left it: a JSON line per message, each holding the hash of the line before.

The head (the hash of the last line) is signed by the site key and acknowledged by the coordinator, so neither side
can later shorten or rewrite the record without the other being able to show it. A line is written before its message
is sent; it is flushed to disk before a head that covers it is signed, not at every line: a flush costs 9 ms on an
ordinary disk and a round has six messages. A power cut can therefore lose lines that no head covered yet; the end of
the process alone loses none.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoglm_agent.errors import AuditBroken
from autoglm_agent.files import PRIVATE
from autoglm_core.canonical import Json, canonical_json, digest, read_canonical
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.keys import SiteKey

START = "0" * 64
"""What the first entry names as the line before."""
HEAD_MESSAGE = "audit-head"
"""What the site key signs: the sequence, 8 bytes big-endian, then the head, 32 bytes."""
LONGEST_LINE = 4096
"""Bytes of an entry; its texts are a kind of ours and an identifier."""
_TYPES: Json = {"seq": int, "kind": str, "bytes": int, "sha256": str, "study": str, "previous": str}
_HASH = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**63


@dataclass(frozen=True)
class Head:
    """The last entry: its number (0: none yet) and the SHA-256 of its line."""

    sequence: int
    head: str

    @property
    def body(self) -> bytes:
        """What is signed."""
        return self.sequence.to_bytes(8, "big") + bytes.fromhex(self.head)

    def sign(self, key: SiteKey) -> bytes:
        """64 bytes by the site key."""
        return key.sign(HEAD_MESSAGE, self.body)


@dataclass(frozen=True)
class AuditEntry:
    """One message that left: its kind, size and hash, and the study that it belonged to (may be empty)."""

    sequence: int
    kind: str
    size: int
    sha256: str
    study: str
    previous: str

    def encode(self) -> bytes:
        """The line, without its end."""
        return canonical_json(
            {
                "seq": self.sequence,
                "kind": self.kind,
                "bytes": self.size,
                "sha256": self.sha256,
                "study": self.study,
                "previous": self.previous,
            }
        )

    @classmethod
    def decode(cls, line: bytes, *, sequence: int) -> AuditEntry:
        """Inverse of `encode`; raises `AuditBroken` naming `sequence`."""
        try:
            value = read_canonical(line, what="audit entry")
        except Malformed:
            value = None
        if not isinstance(value, dict) or {name: type(entry) for name, entry in value.items()} != _TYPES:
            raise AuditBroken(sequence=sequence, reason="the line is not an entry")
        if not (
            0 < value["seq"] < _LARGEST and _HASH.fullmatch(value["sha256"]) and _HASH.fullmatch(value["previous"])
        ):
            raise AuditBroken(sequence=sequence, reason="a number or a hash of the entry is none")
        return cls(value["seq"], value["kind"], value["bytes"], value["sha256"], value["study"], value["previous"])


class AuditLog:
    """Appends to the log at `path`; several threads may.

    Raises:
        AuditBroken: what is there does not chain.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._head, length = _last(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
        # A line that a crash cut short was never followed by its message.
        os.ftruncate(self._file, length)

    @property
    def head(self) -> Head:
        """The last entry."""
        return self._head

    def append(self, kind: str, *, size: int, sha256: str, study: str = "") -> None:
        """Record a message of `size` bytes and hash `sha256`; the kernel has it when this returns."""
        with self._lock:
            entry = AuditEntry(self._head.sequence + 1, kind, size, sha256, study, self._head.head)
            line = entry.encode()
            os.write(self._file, line + b"\n")
            self._head = Head(entry.sequence, digest(line))

    def flush(self) -> Head:
        """Wait until everything up to the returned head is on disk."""
        with self._lock:
            head = self._head
        os.fsync(self._file)
        return head

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._file)


def verify(path: Path) -> Iterator[AuditEntry]:
    """Every entry in order, each checked against the one before.

    Raises:
        AuditBroken: at the first that does not fit.
    """
    previous = START
    with path.open("rb") as file:
        for sequence, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if len(line) > LONGEST_LINE:
                raise AuditBroken(sequence=sequence, reason="the line is too long")
            if not line.endswith(b"\n"):
                return
            entry = AuditEntry.decode(line[:-1], sequence=sequence)
            if entry.sequence != sequence or entry.previous != previous:
                raise AuditBroken(sequence=sequence, reason="it does not follow the one before")
            previous = digest(line[:-1])
            yield entry


def head_of(entry: AuditEntry) -> Head:
    """The head after `entry`."""
    return Head(entry.sequence, digest(entry.encode()))


def _last(path: Path) -> tuple[Head, int]:
    """The head of the log at `path`, and the bytes of its whole lines; only the last line is read, not the chain."""
    if not path.exists():
        return Head(0, START), 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        window = min(size, 2 * LONGEST_LINE)
        file.seek(size - window)
        tail = file.read(window)
    whole = tail[: tail.rfind(b"\n") + 1]
    if not whole:
        return Head(0, START), 0
    line = whole[:-1].rpartition(b"\n")[2]
    entry = AuditEntry.decode(line, sequence=0)
    return Head(entry.sequence, digest(line)), size - len(tail) + len(whole)
