"""Rows of one split through a model, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from autoglm_core.measurement import Split
from autoglm_workloads.text.tasks.api import Logits, Prepared
from autoglm_workloads.text.tokens import Ids, padded

BATCH = 64


def row_logits(
    logits: Logits, data: Prepared, split: Split, *, batch: int = BATCH
) -> Iterator[tuple[int, Ids, NDArray[np.float32]]]:
    """For each row of `split`, in no promised order: its number, its ids and its logits.

    Logits of tokens are as long as the padded batch: the row's own come first.
    """
    rows = data.splits.of(split)
    rows = rows[np.argsort(data.lengths[rows], kind="stable")]
    for start in range(0, rows.size, batch):
        chosen = rows[start : start + batch]
        found = logits(padded([data.ids[row] for row in chosen], data.tokens.pad))
        for place, row in enumerate(chosen):
            yield int(row), data.ids[row], found[place]
