"""Train, validation and test rows of one site, the same on every start.

Rows are ordered within their class by a keyed hash of their content and cut 60/20/20 (or as the study says). Content
rather than position, because a site may export its file in another order next week and a test row must never become a
training row. A split that was published with the data overrides the hash; where it names no validation rows, they are
cut from its training rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_core.measurement import Split

if TYPE_CHECKING:
    from autoglm_core.study import SplitSpec

Rows = NDArray[np.int64]
PUBLISHED = (str(Split.TRAIN), str(Split.VALIDATION), str(Split.TEST))


@dataclass(frozen=True)
class SplitRows:
    """Row numbers `(k,)` of each split, ascending; together every row once."""

    train: Rows
    validation: Rows
    test: Rows

    def of(self, split: Split) -> Rows:
        """The rows of `split`."""
        return {Split.TRAIN: self.train, Split.VALIDATION: self.validation, Split.TEST: self.test}[split]


def split_rows(
    keys: Sequence[bytes], labels: NDArray[np.int64], spec: SplitSpec, published: Sequence[str] | None = None
) -> SplitRows:
    """Split rows whose contents are `keys` `(n,)` and classes `labels` `(n,)`.

    `published`: for each row "train", "validation" or "test", or None where the data came without a split.
    """
    order = _hash_order(keys, spec.seed)
    if published is None:
        shares = (spec.train, spec.validation, spec.test)
        return SplitRows(*_cut(order, labels, np.arange(len(keys)), shares))
    names = np.asarray(published)
    train, validation, test = (np.flatnonzero(names == name) for name in PUBLISHED)
    if not validation.size:
        train, validation, _ = _cut(order, labels, train, (spec.train, spec.validation, 0.0))
    return SplitRows(train, validation, test)


def _hash_order(keys: Sequence[bytes], seed: int) -> NDArray[np.uint64]:
    """Pseudo-random rank of each row, from its content and the study's split seed alone."""
    key = blake2b(f"autoglm/v1/split/{seed}".encode(), digest_size=32).digest()
    hashes = b"".join(blake2b(row, digest_size=8, key=key).digest() for row in keys)
    return np.frombuffer(hashes, dtype="<u8")


def _cut(
    order: NDArray[np.uint64], labels: NDArray[np.int64], rows: Rows, shares: tuple[float, float, float]
) -> tuple[Rows, Rows, Rows]:
    """Cut `rows` within each class, which is off by less than one row; a class of one row goes to the first part."""
    parts: tuple[list[Rows], list[Rows], list[Rows]] = ([], [], [])
    borders = np.cumsum(np.asarray(shares) / sum(shares))[:2]
    for label in np.unique(labels[rows]):
        members = rows[labels[rows] == label]
        members = members[np.argsort(order[members], kind="stable")]
        cuts = np.rint(borders * members.size).astype(int)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    empty = np.zeros(0, np.int64)
    train, validation, test = (np.sort(np.concatenate([empty, *part])) for part in parts)
    return train, validation, test
