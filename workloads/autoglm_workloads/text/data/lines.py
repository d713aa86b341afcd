"""The lines of a site's file, decoded within bounds.

Only line feeds end a line: a text may hold U+2028 and other separators. A carriage return before one goes, and so does
a byte order mark.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_core.text_cleaning import LONGEST_TEXT, Undecodable
from autoglm_workloads.errors import DataMismatch, DataMissing

if TYPE_CHECKING:
    from autoglm_core.text_schema import TextSchema

CHUNK = 2**16
TELLING = 20
"""Letters beyond ASCII that make a file UTF-8 for sure, where all of them read as such: few more bytes of another
encoding would (of GB 18030 two letters may)."""
UNICODE = ("utf-8-sig", "utf-16")
REPLACEMENT = "\ufffd"


class LooksLikeUtf8:
    """Whether a file that is said to be in another encoding is UTF-8: most others read any bytes without an error."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._letters = 0

    @property
    def sure(self) -> bool:
        """Whether all bytes so far are UTF-8, and more than chance would have them."""
        return self._letters >= TELLING

    def after(self, chunk: bytes) -> LooksLikeUtf8 | None:
        """This, having seen `chunk`; None once the file cannot be UTF-8."""
        try:
            self._letters += sum(not letter.isascii() for letter in self._decoder.decode(chunk))
        except UnicodeDecodeError:
            return None
        return self


class Lines:
    """Iterates over the lines of a file, each with a line feed at its end.

    `number` is that of the line read last, from 1. `damaged`: whether any line since it was last set back held bytes
    that are not in the encoding; a reader sets it back between rows.
    """

    def __init__(self, path: Path, schema: TextSchema) -> None:
        self._path = path
        self._encoding = "utf-8-sig" if schema.encoding == "utf-8" else schema.encoding
        self._strict = schema.cleaning.undecodable is Undecodable.REFUSE
        self.number = 0
        self.damaged = False

    def __iter__(self) -> Iterator[str]:
        rest = ""
        for text in self._decoded():
            *whole, rest = (rest + text).split("\n")
            for line in whole:
                yield self._next(line)
            if len(rest) > LONGEST_TEXT:
                raise DataMismatch(reason="line too long", line=self.number + 1)
        if rest:
            yield self._next(rest)

    def _next(self, line: str) -> str:
        self.number += 1
        if "\0" in line:
            raise DataMismatch(reason="NUL in a text: no text file, or one in another encoding", line=self.number)
        if len(line) > LONGEST_TEXT:
            raise DataMismatch(reason="line too long", line=self.number)
        self.damaged = self.damaged or (not self._strict and REPLACEMENT in line)
        return line.removesuffix("\r") + "\n"

    def _decoded(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding)("strict" if self._strict else "replace")
        other = None if self._encoding in UNICODE else LooksLikeUtf8()
        ended = 0
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    text = decoder.decode(chunk)
                    other = other and other.after(chunk)
                    ended += text.count("\n")
                    yield text
                yield decoder.decode(b"", final=True)
            if other is not None and other.sure:
                raise DataMismatch(reason="UTF-8 where the study's schema declares another encoding")
        except OSError as error:
            raise DataMissing() from error
        except UnicodeError as error:
            # Before the damage the chunk was sound, so that its line ends can be counted.
            sound = error.object[: error.start] if isinstance(error, UnicodeDecodeError) else b""
            line = ended + sound.decode(self._encoding, "replace").count("\n") + 1
            raise DataMismatch(reason="not in the declared encoding", line=line) from error
