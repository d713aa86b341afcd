"""Pairs of texts that may be near duplicates, without comparing every text with every other.

MinHash (Broder 1997, "On the resemblance and containment of documents"): two sets of pieces share the least value under
a random order as often as their Jaccard similarity says. 100 such values in 20 bands of 5 make two texts candidates
where one band is equal (Indyk and Motwani 1998): at a similarity of 0.8 in 99.96 % of cases, at 0.5 in 47 %, at 0.3 in
5 %. Candidates are then compared exactly. A text costs 160 bytes; a text is compared with at most `MOST_OF_BAND` others
of each band, so that a phrase in half of all rows does not make the work quadratic.

Pieces are five letters long, for words are no unit in languages without spaces. A library for this (datasketch) was
rejected: it keeps an object a row, and its hashes are not ours to fix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autoglm_workloads.seeding import generator

Hashes = NDArray[np.uint64]

PIECE = 5
"""Letters."""
THRESHOLD = 0.8
"""Jaccard similarity from which two texts are near duplicates. Of 60 letters, about three may differ."""
BANDS, ROWS_OF_BAND = 20, 5
MOST_OF_BAND = 8
BLOCK = 2**18
"""Letters that are hashed together."""
_STEP = np.uint64(0x9E3779B97F4A7C15)


def pieces(text: str) -> Hashes:
    """Hashes of the different pieces of `text`, ascending; case and white space make no difference."""
    return np.unique(_pieces(_folded(text)))


def similarity(first: Hashes, second: Hashes) -> float:
    """Jaccard similarity of two texts' `pieces`."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    return float(shared / (first.size + second.size - shared))


def candidates(texts: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
    """For each text that has any, its number and those of earlier texts that may be its near duplicates, ascending."""
    if not texts:
        return
    found = np.unique(np.concatenate([_earlier(band) for band in _bands(texts).T]), axis=0)
    if not found.size:
        return
    numbers, starts = np.unique(found[:, 0], return_index=True)
    for number, group in zip(numbers, np.split(found[:, 1], starts[1:]), strict=True):
        yield int(number), [int(other) for other in group]


def _earlier(keys: Hashes) -> NDArray[np.int64]:
    """`(pairs, 2)`: each text with the first `MOST_OF_BAND` texts whose key in this band is equal, if earlier."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    first = np.repeat(starts, np.diff(np.r_[starts, ordered.size]))
    places = np.arange(ordered.size)
    found = []
    for step in range(MOST_OF_BAND):
        later = first + step < places
        found.append(np.stack([order[later], order[(first + step)[later]]], axis=1))
    return np.concatenate(found)


def _bands(texts: Sequence[str]) -> Hashes:
    """`(texts, BANDS)`: a hash of each band's least values."""
    return np.concatenate([_bands_of_block(block) for block in _blocks(texts)])


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    block, size = [], 0
    for text in texts:
        block.append(_folded(text))
        size += len(block[-1])
        if size > BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _bands_of_block(block: Sequence[str]) -> Hashes:
    hashes = [_pieces(text) for text in block]
    starts = np.cumsum([0, *(part.size for part in hashes[:-1])])
    together = np.concatenate(hashes)
    stream = generator(b"near duplicates", "orders")
    bands = np.zeros((len(block), BANDS), np.uint64)
    for band in range(BANDS):
        for _ in range(ROWS_OF_BAND):
            factor, offset = stream.integers(0, 2**64, 2, dtype=np.uint64)
            values = (together * (factor | np.uint64(1)) + offset) >> np.uint64(32)
            bands[:, band] = (bands[:, band] + np.minimum.reduceat(values, starts)) * _STEP
    return bands


def _folded(text: str) -> str:
    """Without case, every run of white space a space; at least one piece long."""
    return " ".join(text.casefold().split()).ljust(PIECE)


def _pieces(folded: str) -> Hashes:
    """`(letters - PIECE + 1,)` hashes, mixed as in splitmix64 (Steele, Lea and Flood 2014)."""
    letters = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    count = letters.size - PIECE + 1
    hashes = np.zeros(count, np.uint64)
    for place in range(PIECE):
        hashes = (hashes + letters[place : place + count] + np.uint64(1)) * _STEP
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
