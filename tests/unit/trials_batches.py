"""How models are spread over tasks by their bytes."""

from __future__ import annotations

import asyncio

import pytest

from autoglm_coordinator.trials.batches import batches, in_halves


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1, 1, 1, 1], [[1, 1, 1], [1]]),
        ([4, 6, 1, 9], [[4, 6], [1, 9]]),
        ([4, 7], [[4], [7]]),
        ([30, 2, 30], [[30], [2], [30]]),
    ],
)
def test_a_task_has_room_for_ten_bytes_and_three_models_and_none_is_left_out(
    sizes: list[int], expected: list[list[int]]
) -> None:
    assert batches(sizes, size=int, room=10, most=3) == expected


def test_what_is_too_slow_together_is_measured_apart() -> None:
    """A device on which three of these models at once take too long."""
    done: list[list[int]] = []

    async def attempt(batch: list[int]) -> bool:
        if len(batch) < 3:
            done.append(batch)
        return len(batch) < 3

    asyncio.run(in_halves([[1, 2, 3, 4, 5], [6]], attempt))
    assert done == [[1, 2], [3], [4, 5], [6]]
