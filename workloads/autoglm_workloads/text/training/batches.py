"""Rows in batches: seeded, and of like length, so that little is padding.

A permutation per epoch is cut into windows of 50 batches; inside a window rows are sorted by length and the batches
then permuted. Sorting the whole epoch would make it a curriculum, and the rows of a batch the same in every epoch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 50
"""Batches within which rows are sorted by length."""

RowNumbers = NDArray[np.int64]


def batches(lengths: RowNumbers, size: int, stream: np.random.Generator) -> list[RowNumbers]:
    """Row numbers of one epoch in batches of `size`; `lengths` `(rows,)`: tokens of each row.

    Every row comes once; one batch has the rows that are left over, wherever it comes.
    """
    order = stream.permutation(lengths.size)
    found: list[RowNumbers] = []
    for start in range(0, order.size, WINDOW * size):
        window = order[start : start + WINDOW * size]
        window = window[np.argsort(lengths[window], kind="stable")]
        parts = np.split(window, range(size, window.size, size))
        found.extend(parts[place] for place in stream.permutation(len(parts)))
    return found
