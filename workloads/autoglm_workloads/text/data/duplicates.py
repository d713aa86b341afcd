"""Which rows go because another row says the same.

A row of a published test split always stays, so that its figures can be compared with others'. A validation row goes
for the sake of a test row, a training row for the sake of any: what was trained on must not be asked for. Among equals
the one with the least hash of its content stays, so that the order of a file changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from autoglm_core.text_cleaning import Duplicates
from autoglm_workloads.text.data.cleaning import Drop
from autoglm_workloads.text.data.examples import Example
from autoglm_workloads.text.data.near_duplicates import THRESHOLD, candidates, pieces, similarity

_RANKS = {"test": 0, "validation": 1}


def duplicate_rows(examples: Sequence[Example], duplicates: Duplicates) -> dict[int, Drop]:
    """Numbers of the rows that are too many, and why."""
    if duplicates is Duplicates.NONE:
        return {}
    order = sorted(range(len(examples)), key=lambda row: (_rank(examples[row]), _hash(examples[row].key)))
    found = _exact(examples, order)
    if duplicates is Duplicates.NEAR:
        found |= _near(examples, [row for row in order if row not in found])
    return found


def _exact(examples: Sequence[Example], order: Sequence[int]) -> dict[int, Drop]:
    kept: dict[bytes, int] = {}
    found = {}
    for row in order:
        first = kept.setdefault(_hash(_content(examples[row]).encode()), row)
        if first != row and _yields(examples[row], examples[first]):
            alike = _target(examples[row]) == _target(examples[first])
            found[row] = Drop.DUPLICATE if alike else Drop.CONTRADICTION
    return found


def _near(examples: Sequence[Example], order: Sequence[int]) -> dict[int, Drop]:
    contents = [_content(examples[row]) for row in order]
    found: dict[int, Drop] = {}
    for place, earlier in candidates(contents):
        row = order[place]
        kept = [other for other in earlier if order[other] not in found]
        wanted = [other for other in kept if _yields(examples[row], examples[order[other]])]
        mine = pieces(contents[place]) if wanted else None
        if mine is not None and any(similarity(mine, pieces(contents[other])) >= THRESHOLD for other in wanted):
            found[row] = Drop.NEAR_DUPLICATE
    return found


def _yields(row: Example, other: Example) -> bool:
    """Whether `row` goes for the sake of `other`, which comes first."""
    return row.split not in _RANKS or _rank(row) > _rank(other)


def _rank(example: Example) -> int:
    return len(_RANKS) if example.split is None else _RANKS.get(example.split, len(_RANKS))


def _content(example: Example) -> str:
    return example.text if example.pair is None else f"{example.text}\n{example.pair}"


def _target(example: Example) -> tuple[object, ...]:
    return example.label, example.tags, example.reference


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
