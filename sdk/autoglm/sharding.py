"""Splits of a bundled dataset over simulated sites: who holds which rows.

Label-skewed Dirichlet split after Hsu, Qi and Brown 2019 (arXiv:1909.06335): for each class, shares over the sites
are drawn from Dirichlet(alpha); a small alpha gives sites that hardly see some classes. A split is drawn again, from
the same generator, until every site holds enough rows to train, validate and test on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from autoglm.errors import ExtraMissing, SplitImpossible, UnknownDataset

Arrays = Mapping[str, NDArray[np.generic]]
"""By name; the first axis is the row in all of them."""

SMALLEST_SITE = 20
DRAWS = 100


def dirichlet_split(
    labels: NDArray[np.generic],
    *,
    sites: int,
    alpha: float,
    seed: int,
    smallest: int = SMALLEST_SITE,
    parts: NDArray[np.generic] | None = None,
) -> list[NDArray[np.intp]]:
    """Row numbers of each site, ascending; together every row once.

    Args:
        labels: `(n_rows,)` class of each row.
        sites: how many.
        alpha: concentration; above 0, the smaller the more unequal.
        seed: of the generator; the same seed gives the same split.
        smallest: rows of the first part that every site must get.
        parts: `(n_rows,)` part of a published split that each row is in, the training part the least. All parts of a
            class are dealt out with the same shares, so that a site is tested on classes that it trains on.

    Raises:
        SplitImpossible: no drawn split gives every site `smallest` rows.
    """
    generator = np.random.default_rng(seed)
    parts = np.zeros(labels.size, np.intp) if parts is None else parts
    first = parts == parts.min(initial=0)
    for _ in range(DRAWS):
        owners = _draw_owners(labels, parts, sites=sites, alpha=alpha, generator=generator)
        if np.bincount(owners[first], minlength=sites).min() >= smallest:
            return [np.flatnonzero(owners == site) for site in range(sites)]
    raise SplitImpossible(rows=int(first.sum()), sites=sites, smallest=smallest)


def _draw_owners(
    labels: NDArray[np.generic],
    parts: NDArray[np.generic],
    *,
    sites: int,
    alpha: float,
    generator: np.random.Generator,
) -> NDArray[np.intp]:
    """`(n_rows,)` site of each row."""
    owners = np.empty(labels.size, dtype=np.intp)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shuffled = [generator.permutation(members[parts[members] == part]) for part in np.unique(parts[members])]
        borders = np.cumsum(generator.dirichlet(np.full(sites, alpha)))[:-1]
        for rows in shuffled:
            for site, piece in enumerate(np.split(rows, np.rint(borders * rows.size).astype(np.intp))):
                owners[piece] = site
    return owners


def iid_split(
    rows: int, *, sites: int, seed: int, smallest: int = SMALLEST_SITE, parts: NDArray[np.generic] | None = None
) -> list[NDArray[np.intp]]:
    """As `dirichlet_split`, but every site gets as many rows of each part, whatever their class."""
    parts = np.zeros(rows, np.intp) if parts is None else parts
    generator, dealt = np.random.default_rng(seed), [list[NDArray[np.intp]]() for _ in range(sites)]
    for part in np.unique(parts):
        for site, piece in enumerate(np.array_split(generator.permutation(np.flatnonzero(parts == part)), sites)):
            dealt[site].append(piece)
    first = int((parts == parts.min(initial=0)).sum())
    if first // sites < smallest:
        raise SplitImpossible(rows=first, sites=sites, smallest=smallest)
    return [np.sort(np.concatenate(pieces)) for pieces in dealt]


def take(arrays: Arrays, rows: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    """The same arrays with only `rows`."""
    return {name: array[rows] for name, array in arrays.items()}


def _digits() -> Arrays:
    """1,797 handwritten digits that scikit-learn bundles: `images` `(n, 8, 8)` uint8 0..16, `labels` `(n,)` int64."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ExtraMissing(package="scikit-learn", extra="all") from error
    bunch = load_digits()
    return {"images": bunch.images.astype(np.uint8), "labels": bunch.target.astype(np.int64)}


def _synthetic() -> Arrays:
    """Rows for the workload `synthetic`, which reads none of them: the split needs something to split."""
    return {"labels": np.arange(1000, dtype=np.int64) % 10}


BUNDLED: Mapping[str, Callable[[], Arrays]] = {"digits": _digits, "synthetic": _synthetic}


def load_bundled(data: str) -> Arrays:
    """The arrays of a dataset that an installed package bundles.

    Raises:
        UnknownDataset: none of that name.
    """
    if data not in BUNDLED:
        raise UnknownDataset(data=data, known=", ".join(sorted(BUNDLED)))
    return BUNDLED[data]()
