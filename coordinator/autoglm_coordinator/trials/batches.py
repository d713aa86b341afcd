"""How many models an agent is given at once.

It holds all models of a task in memory, and no task may bring more than a child's frame takes (2 GiB). Small models are
bounded by their number, language models by their bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

TOGETHER = 2**30
"""Bytes of the models of one task; one that is larger goes alone."""

Entry = TypeVar("Entry")


def batches(entries: Sequence[Entry], *, size: Callable[[Entry], int], room: int, most: int) -> list[list[Entry]]:
    """The entries in their order, cut where `room` bytes or `most` entries are reached; none is left out."""
    found: list[list[Entry]] = []
    left = 0
    for entry in entries:
        if not found or len(found[-1]) == most or size(entry) > left:
            found.append([])
            left = room
        found[-1].append(entry)
        left -= size(entry)
    return found


async def in_halves(pending: Sequence[list[Entry]], attempt: Callable[[list[Entry]], Awaitable[bool]]) -> None:
    """Attempt every batch in its turn; one that fails is attempted in halves.

    `attempt`: whether it succeeded; it raises where a batch of one fails.
    """
    left = list(pending)
    while left:
        batch = left.pop(0)
        if not await attempt(batch):
            half = len(batch) // 2
            left[:0] = [batch[:half], batch[half:]]
