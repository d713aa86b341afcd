"""Damage to the values in a JSON text rather than to its bytes, which gets past the check that it is canonical."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from autoglm_core.canonical import canonical_json

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53 + 1, 2**63, 10**400, -(10**30), 0.0, -0.0, 1e308, 5e-324, 0.5),
    *("", "a", "é", "\u2028", "x" * 300, "1", "true", "(1, 2)", "loguniform(1e-3, 1)", "p0 < 1"),
    *([], {}, [[]], {"": None}),
)
MOST = 3

Place = tuple[Any, Any]
"""A dictionary or list, and a key or position in it."""


def damage(data: bytes, random: Random) -> bytes:
    """Canonical JSON of `data` with up to `MOST` values replaced, removed or doubled; `data` itself if it is none."""
    try:
        root = [json.loads(data)]
        for _ in range(random.randint(1, MOST)):
            _damage_once(root, random)
        return canonical_json(root[0])
    except (ValueError, RecursionError, IndexError):
        return data


def _damage_once(root: list[Any], random: Random) -> None:
    places = list(_places(root))
    holder, key = random.choice(places)
    other_holder, other_key = random.choice(places)
    match random.randrange(5):
        case 0 | 1:
            holder[key] = random.choice(STRANGE)
        case 2:
            del holder[key]
        case 3:
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
        case 4 if isinstance(holder, dict):
            holder[random.choice(["", "tune", "name", "when", "items", "é"])] = holder[key]
        case _:
            holder[key] = [holder[key]] * random.choice([1, 2, 300])


def _places(value: Any) -> Iterator[Place]:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
