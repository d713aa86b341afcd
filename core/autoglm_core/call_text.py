"""Spellings such as `loguniform(1e-5, 1e-3)` and `choice(none, int8-dynamic)`: a word and scalars, nothing nested.

Read by hand rather than as Python: `int8-dynamic` needs no quotes here, as it needs none in YAML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autoglm_core.configuration import Value

CALL = re.compile(r"([A-Za-z_]\w*)?\s*\((.*)\)", re.DOTALL)
ARGUMENT = re.compile(r"""\s*("[^"]*"|'[^']*'|[\w.+-]+)\s*""")
INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
LONGEST = 4096


@dataclass(frozen=True)
class Call:
    """`word(arguments)`; the word is empty for a bare tuple."""

    word: str
    arguments: tuple[Value, ...]


def read_call(text: str) -> Call | None:
    """`text` as a call, or None where it has not the form of one.

    Raises:
        ValueError: it has parentheses, but what stands between them is no list of scalars.
    """
    match = CALL.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        return None
    inner = match[2]
    return Call(match[1] or "", _arguments(inner) if inner.strip() else ())


def _arguments(text: str) -> tuple[Value, ...]:
    arguments, start = [], 0
    while True:
        match = ARGUMENT.match(text, start)
        if match is None:
            raise ValueError("needs numbers, true, false or texts between the parentheses, separated by commas")
        arguments.append(_scalar(match[1]))
        if match.end() == len(text):
            return tuple(arguments)
        if text[match.end()] != ",":
            raise ValueError("needs a comma between its arguments")
        start = match.end() + 1


def _scalar(word: str) -> Value:
    if word[0] in "\"'":
        return word[1:-1]
    if word in ("true", "false"):
        return word == "true"
    if INTEGER.fullmatch(word) and len(word) < 20:
        return int(word)
    return float(word) if FLOAT.fullmatch(word) else word
